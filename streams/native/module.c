/* The Python module: the kernel, its parts by themselves, and the index. */
#include "kernel.h"

#include <string.h>

#ifndef LOCKSTEP_SOURCE
#define LOCKSTEP_SOURCE "" /* digest of the sources, given by the build */
#endif

/* Parts by themselves, for tests to hold against other implementations. Each gets a copy that ends where its text does:
 * behind a bytes object lies a byte more, which would hide a read beyond it from the sanitizers. */

/* Copy bytes; false with a Python error. To be freed with `PyMem_Free`. */
static bool copy_of(PyObject *bytes, Text *text, uint8_t **room)
{
    if (!PyBytes_Check(bytes)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return false;
    }
    *text = text_of(bytes);
    *room = PyMem_Malloc(text->size);
    if (!*room) {
        PyErr_NoMemory();
        return false;
    }
    if (text->size)
        memcpy(*room, text->at, text->size);
    text->at = *room;
    return true;
}

static PyObject *fingerprint(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *key, *person, *message;
    uint8_t digest[FINGERPRINT], *room;
    Keyed keyed;
    Text text;
    if (!PyArg_ParseTuple(args, "SSS:fingerprint", &key, &person, &message) || !copy_of(message, &text, &room))
        return NULL;
    bool good = PyBytes_GET_SIZE(key) <= LONGEST_KEY && PyBytes_GET_SIZE(person) <= 16 && text.size;
    if (good) {
        keyed_begin(&keyed, text_of(key), text_of(person));
        keyed_digest(&keyed, text, digest);
    } else {
        PyErr_SetString(PyExc_ValueError, "at most 64 bytes of key and 16 of person, and a message");
    }
    PyMem_Free(room);
    return good ? bytes_of(digest, FINGERPRINT) : NULL;
}

static PyObject *crc32(PyObject *Py_UNUSED(module), PyObject *payload)
{
    uint8_t *room;
    Text text;
    Crc crc;
    if (!copy_of(payload, &text, &room))
        return NULL;
    crc_begin(&crc);
    uint32_t found = crc_of(&crc, text);
    PyMem_Free(room);
    return PyLong_FromUnsignedLong(found);
}

static PyObject *murmur2(PyObject *Py_UNUSED(module), PyObject *data)
{
    uint8_t *room;
    Text text;
    if (!copy_of(data, &text, &room))
        return NULL;
    uint32_t found = murmur2_of(text);
    PyMem_Free(room);
    return PyLong_FromUnsignedLong(found);
}

static PyObject *moment(PyObject *Py_UNUSED(module), PyObject *told)
{
    uint8_t *room;
    Text text;
    int64_t ms;
    if (!copy_of(told, &text, &room))
        return NULL;
    bool found = read_moment(text, &ms);
    PyMem_Free(room);
    return found ? PyLong_FromLongLong(ms) : Py_NewRef(Py_None);
}

static PyObject *is_json(PyObject *Py_UNUSED(module), PyObject *value)
{
    uint8_t *room;
    Text text;
    if (!copy_of(value, &text, &room))
        return NULL;
    bool found = json_whole(text);
    PyMem_Free(room);
    return PyBool_FromLong(found);
}

static PyObject *is_structured(PyObject *Py_UNUSED(module), PyObject *value)
{
    uint8_t *room;
    Text text;
    Attributes attributes = {0};
    if (!copy_of(value, &text, &room))
        return NULL;
    bool found = read_structured(text, &attributes);
    PyMem_Free(room);
    return PyBool_FromLong(found);
}

static PyMethodDef functions[] = {
    {"find", find_keys, METH_VARARGS, "find(table, cells, keys, low, found): the slot of each key, or -1."},
    {"place", place_keys, METH_VARARGS, "place(table, cells, keys, fresh, fill): put in keys that are not there."},
    {"fingerprint", fingerprint, METH_VARARGS, "fingerprint(key, person, message): BLAKE2b of 12 bytes."},
    {"crc32", crc32, METH_O, "crc32(payload): the CRC-32 of zlib."},
    {"murmur2", murmur2, METH_O, "murmur2(data): murmur2 with Kafka's seed."},
    {"moment", moment, METH_O, "moment(text): ms since 1970; None for an unusual form."},
    {"is_json", is_json, METH_O, "is_json(text): whether it is one plain JSON value."},
    {"is_structured", is_structured, METH_O, "is_structured(text): whether it is a JSON event of plain attributes."},
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
    .m_name = "streams.native._native",
    .m_doc = "The plain path of `route`, and the index of its table.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
