/* The kernel as a Python type: made once of what a router knows, it takes batches of records. */
#include "kernel.h"

#include <stdlib.h>

/* Whether objects of a type are tuples and no more: `named` fills them. */
static bool is_named(PyTypeObject *type)
{
    return PyType_IsSubtype(type, &PyTuple_Type) && type->tp_basicsize == PyTuple_Type.tp_basicsize &&
           type->tp_itemsize == PyTuple_Type.tp_itemsize;
}

/* False with a Python error. */
static bool set_policies(Kernel *kernel, PyObject *given)
{
    size_t count = (size_t)PyTuple_GET_SIZE(given);
    kernel->policies = PyMem_Calloc(count + 1, sizeof(Policy));
    if (!kernel->policies) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        Policy *policy = &kernel->policies[i];
        long long lane, max_age, ttl;
        PyObject *type;
        int collapse;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(given, i), "SLLLp", &type, &lane, &max_age, &ttl, &collapse))
            return false;
        *policy = (Policy){text_of(type), lane, max_age, ttl, collapse};
    }
    qsort(kernel->policies, count, sizeof(Policy), policy_order);
    kernel->rules.policies = kernel->policies;
    kernel->rules.count = count;
    return true;
}

static bool set_names(Kernel *kernel)
{
    static const char *const names[PARTS] = {"offset", "timestamp", "key", "value", "headers"};
    for (int i = 0; i < PARTS; i++)
        if (!(kernel->names[i] = PyUnicode_InternFromString(names[i])))
            return false;
    return (kernel->no_first = PyLong_FromLong(-1)) != NULL;
}

/* Fill a kernel whose memory is zero; false with a Python error. */
static bool set_up(Kernel *kernel, PyObject *args)
{
    PyObject *policies, *key, *head, *target, *tail, *accepted, *entry;
    long long event_bytes, tolerance, base, partitions;
    if (!PyArg_ParseTuple(args, "O!SLLLL(SSS)O!O!:Kernel", &PyTuple_Type, &policies, &key, &event_bytes, &tolerance,
                          &base, &partitions, &head, &target, &tail, &PyType_Type, &accepted, &PyType_Type, &entry))
        return false;
    if (!is_named((PyTypeObject *)accepted) || !is_named((PyTypeObject *)entry) || partitions < 1 ||
        PyBytes_GET_SIZE(key) > LONGEST_KEY) {
        PyErr_SetString(PyExc_ValueError, "a kernel needs named tuples, partitions, and a key of at most 64 bytes");
        return false;
    }
    Rules *rules = &kernel->rules;
    rules->event_bytes = event_bytes;
    rules->tolerance = tolerance;
    rules->base = base;
    rules->partitions = partitions;
    rules->frame = (Frame){text_of(head), text_of(target), text_of(tail)};
    keyed_begin(&rules->keyed, text_of(key), (Text){(const uint8_t *)"seen", 4});
    crc_begin(&rules->crc);
    kernel->kept = Py_NewRef(args);
    kernel->accepted = (PyTypeObject *)Py_NewRef(accepted);
    kernel->entry = (PyTypeObject *)Py_NewRef(entry);
    return set_policies(kernel, policies) && set_names(kernel);
}

static PyObject *kernel_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self && !set_up((Kernel *)self, args))
        Py_CLEAR(self);
    return self;
}

static void kernel_dealloc(PyObject *self)
{
    Kernel *kernel = (Kernel *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(kernel->policies);
    Py_XDECREF(kernel->kept);
    Py_XDECREF(kernel->accepted);
    Py_XDECREF(kernel->entry);
    Py_XDECREF(kernel->no_first);
    for (int i = 0; i < PARTS; i++)
        Py_XDECREF(kernel->names[i]);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(take_doc, "take(records, partition, clock)\n--\n\n"
    "The plain records of a batch as `accepted`, and the others, each with the log time (ms) at it.");

static PyMethodDef kernel_methods[] = {{"take", take, METH_VARARGS, take_doc}, {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(kernel_doc,
    "Kernel(policies, key, event_bytes, tolerance, base, partitions, frame, accepted, entry)\n--\n\n"
    "What a router knows: see streams/native/kernel.py.");

static PyType_Slot kernel_slots[] = {
    {Py_tp_new, kernel_new},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_methods, kernel_methods},
    {Py_tp_doc, (void *)kernel_doc},
    {0, NULL},
};

static PyType_Spec kernel_spec = {
    .name = "streams.native._native.Kernel",
    .basicsize = sizeof(Kernel),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = kernel_slots,
};

/* Make the type known to its module; -1 with a Python error. */
int add_kernel(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &kernel_spec, NULL);
    int done = type ? PyModule_AddObjectRef(module, "Kernel", type) : -1;
    Py_XDECREF(type);
    return done;
}
