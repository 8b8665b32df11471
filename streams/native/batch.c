/* One batch of records: the plain ones, ready to go on, and the others. */
#include "kernel.h"

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

PyObject *bytes_of(const uint8_t *at, size_t size)
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

/* The method of a kernel: a list of what is made of plain records, and one of the others, each with the log time. */
PyObject *take(PyObject *self, PyObject *args)
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
