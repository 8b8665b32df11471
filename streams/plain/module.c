/* The Python module: a kernel is made once of what a router knows, and takes batches of records. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#ifndef LOCKSTEP_SOURCE
#define LOCKSTEP_SOURCE "" /* digest of the sources, given by the build */
#endif

typedef struct {
    PyObject_HEAD
    Rules rules;
    Policy *policies;
    PyObject *kept; /* what the rules point into */
    PyTypeObject *accepted, *entry;
    PyObject *names[PARTS];
    PyObject *no_first;
} Kernel;

/* One batch under way; `now` is the log time as it came, `clock` the same in C, -1 where nothing can be plain. */
typedef struct {
    const Kernel *kernel;
    PyObject *accepted, *unsure, *now;
    int64_t partition, clock;
    uint8_t *room;
    size_t size;
} Work;

/* -- what is made of a plain record */

/* A named tuple of `type`, which takes over the references; NULL, and all let go, where one is missing. */
static PyObject *named(PyTypeObject *type, PyObject *const *items, Py_ssize_t count)
{
    PyObject *made = type->tp_alloc(type, count);
    bool whole = made != NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        whole = whole && items[i];
        if (made)
            PyTuple_SET_ITEM(made, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    if (!whole)
        Py_CLEAR(made);
    return made;
}

static PyObject *bytes_of(const uint8_t *at, size_t size)
{
    return PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)size);
}

/* Room for the envelope of `work`; false with a Python error. */
static bool make_room(Work *work, size_t size)
{
    if (size <= work->size)
        return true;
    uint8_t *room = PyMem_Realloc(work->room, size * 2);
    if (!room) {
        PyErr_NoMemory();
        return false;
    }
    work->room = room;
    work->size = size * 2;
    return true;
}

/* A plain record with what the router needs of it. All of it is read before the first object is made. */
static PyObject *accept(Work *work, PyObject *record, const Held *held, const Envelope *envelope)
{
    const Kernel *kernel = work->kernel;
    uint8_t fingerprint[FINGERPRINT];
    size_t bound = envelope_bound(envelope, &kernel->rules.frame);
    if (!make_room(work, bound))
        return NULL;
    size_t size = envelope_pack(envelope, &kernel->rules.frame, work->room, bound);
    if (!size) { /* an empty record would pass for a tick */
        PyErr_SetString(PyExc_SystemError, "an envelope is longer than its bound");
        return NULL;
    }
    fingerprint_of(&kernel->rules, envelope, fingerprint);
    uint32_t digest = crc_of(&kernel->rules.crc, envelope->payload);
    PyObject *entry[] = {
        bytes_of(fingerprint, FINGERPRINT), Py_NewRef(held->part[OFFSET]), PyLong_FromUnsignedLong(digest),
        Py_NewRef(work->now), Py_NewRef(kernel->no_first),
    };
    PyObject *packed[] = {Py_NewRef(held->part[KEY]), bytes_of(work->room, size)};
    PyObject *whole[] = {
        Py_NewRef(record), named(kernel->entry, entry, 5), PyLong_FromLongLong(envelope->lane),
        named(&PyTuple_Type, packed, 2),
    };
    return named(kernel->accepted, whole, 4);
}

/* -- one record of a batch */

/* Move the log time on: as Python compares, whatever a timestamp is. */
static bool advance(Work *work, PyObject *timestamp)
{
    int later = PyObject_RichCompareBool(timestamp, work->now, Py_GT);
    if (later < 0)
        return false;
    if (later) {
        Py_SETREF(work->now, Py_NewRef(timestamp));
        if (!number_of(timestamp, &work->clock))
            work->clock = -1;
    }
    return true;
}

static bool is_plain(const Work *work, const Held *held, Envelope *envelope)
{
    Attributes attributes;
    Place place = {.partition = work->partition, .clock = work->clock};
    if (work->clock < 0 || !number_of(held->part[OFFSET], &place.offset))
        return false;
    if (!read_record(held, &attributes, &place.size))
        return false;
    place.key = text_of(held->part[KEY]);
    return judge(&work->kernel->rules, &place, &attributes, envelope);
}

static int append(PyObject *list, PyObject *item)
{
    int done = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return done;
}

/* -1 with a Python error. */
static int take_record(Work *work, PyObject *record)
{
    Held held;
    Envelope envelope;
    int done = -1;
    if (!hold(record, work->kernel->names, &held))
        return -1;
    if (advance(work, held.part[TIMESTAMP])) {
        if (is_plain(work, &held, &envelope))
            done = append(work->accepted, accept(work, record, &held, &envelope));
        else
            done = append(work->unsure, PyTuple_Pack(2, record, work->now));
    }
    let_go(&held);
    return done;
}

static int take_records(Work *work, PyObject *records)
{
    int done = 0;
    for (Py_ssize_t i = 0; !done && i < PySequence_Fast_GET_SIZE(records); i++) {
        PyObject *record = Py_NewRef(PySequence_Fast_GET_ITEM(records, i)); /* reading one may run Python */
        done = take_record(work, record);
        Py_DECREF(record);
    }
    return done;
}

PyDoc_STRVAR(take_doc, "take(records, partition, clock)\n--\n\n"
    "The plain records of a batch as `accepted` made them, and the others, each with the log time (ms) at it.");

static PyObject *take(PyObject *self, PyObject *args)
{
    Work work = {.kernel = (Kernel *)self, .clock = -1};
    PyObject *given, *clock, *taken = NULL;
    long long partition;
    if (!PyArg_ParseTuple(args, "OLO:take", &given, &partition, &clock))
        return NULL;
    PyObject *records = PySequence_Fast(given, "records must be a sequence");
    if (!records)
        return NULL;
    work.partition = partition;
    work.now = Py_NewRef(clock);
    if (!number_of(clock, &work.clock))
        work.clock = -1;
    work.accepted = PyList_New(0);
    work.unsure = PyList_New(0);
    if (work.accepted && work.unsure && !take_records(&work, records))
        taken = PyTuple_Pack(2, work.accepted, work.unsure);
    Py_XDECREF(work.accepted);
    Py_XDECREF(work.unsure);
    Py_DECREF(work.now);
    Py_DECREF(records);
    PyMem_Free(work.room);
    return taken;
}

/* -- making a kernel */

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

static PyMethodDef kernel_methods[] = {{"take", take, METH_VARARGS, take_doc}, {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(kernel_doc,
    "Kernel(policies, key, event_bytes, tolerance, base, partitions, frame, accepted, entry)\n--\n\n"
    "What a router knows: see streams/plain/kernel.py.");

static PyType_Slot kernel_slots[] = {
    {Py_tp_new, kernel_new},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_methods, kernel_methods},
    {Py_tp_doc, (void *)kernel_doc},
    {0, NULL},
};

static PyType_Spec kernel_spec = {
    .name = "streams.plain._native.Kernel",
    .basicsize = sizeof(Kernel),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = kernel_slots,
};

/* -- parts by themselves, for tests to hold against other implementations */

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
    PyObject *type = PyType_FromModuleAndSpec(module, &kernel_spec, NULL);
    int done = type ? PyModule_AddObjectRef(module, "Kernel", type) : -1;
    Py_XDECREF(type);
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
