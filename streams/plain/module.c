/* The Python module: the kernel, and its parts by themselves. */
#include "kernel.h"

#ifndef LOCKSTEP_SOURCE
#define LOCKSTEP_SOURCE "" /* digest of the sources, given by the build */
#endif

/* Parts by themselves, for tests to hold against other implementations. */

static PyObject *fingerprint(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *key, *person, *message;
    uint8_t digest[FINGERPRINT];
    Keyed keyed;
    if (!PyArg_ParseTuple(args, "SSS:fingerprint", &key, &person, &message))
        return NULL;
    if (PyBytes_GET_SIZE(key) > LONGEST_KEY || PyBytes_GET_SIZE(person) > 16 || !PyBytes_GET_SIZE(message)) {
        PyErr_SetString(PyExc_ValueError, "at most 64 bytes of key and 16 of person, and a message");
        return NULL;
    }
    keyed_begin(&keyed, text_of(key), text_of(person));
    keyed_digest(&keyed, text_of(message), digest);
    return bytes_of(digest, FINGERPRINT);
}

static PyObject *crc32(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *payload;
    Crc crc;
    if (!PyArg_ParseTuple(args, "S:crc32", &payload))
        return NULL;
    crc_begin(&crc);
    return PyLong_FromUnsignedLong(crc_of(&crc, text_of(payload)));
}

static PyObject *murmur2(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *data;
    return PyArg_ParseTuple(args, "S:murmur2", &data) ? PyLong_FromUnsignedLong(murmur2_of(text_of(data))) : NULL;
}

static PyObject *moment(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *text;
    int64_t ms;
    if (!PyArg_ParseTuple(args, "S:moment", &text))
        return NULL;
    return read_moment(text_of(text), &ms) ? PyLong_FromLongLong(ms) : Py_NewRef(Py_None);
}

static PyObject *is_json(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *text;
    return PyArg_ParseTuple(args, "S:is_json", &text) ? PyBool_FromLong(json_whole(text_of(text))) : NULL;
}

static PyMethodDef functions[] = {
    {"fingerprint", fingerprint, METH_VARARGS, "fingerprint(key, person, message): BLAKE2b of 12 bytes."},
    {"crc32", crc32, METH_VARARGS, "crc32(payload): the CRC-32 of zlib."},
    {"murmur2", murmur2, METH_VARARGS, "murmur2(data): murmur2 with Kafka's seed."},
    {"moment", moment, METH_VARARGS, "moment(text): ms since 1970; None for an unusual form."},
    {"is_json", is_json, METH_VARARGS, "is_json(text): whether it is one plain JSON value."},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module)
{
    int done = add_kernel(module);
    return done ? done : PyModule_AddStringConstant(module, "SOURCE", LOCKSTEP_SOURCE);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "streams.plain._native",
    .m_doc = "The plain path of `route`.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
