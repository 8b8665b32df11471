/* What a record of `ingest` holds: its parts, and its attributes out of the headers or the value. */
#include "record.h"

#include <string.h>

#define LITERAL(text) ((Text){(const uint8_t *)(text), sizeof(text) - 1})

/* The contents of a bytes object. */
Text text_of(PyObject *bytes)
{
    return (Text){(const uint8_t *)PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* An int of 0 to 2**48: offsets and times, with room above for what is added to them. */
bool number_of(PyObject *number, int64_t *out)
{
    int overflow = 0;
    if (!PyLong_CheckExact(number))
        return false;
    *out = PyLong_AsLongLongAndOverflow(number, &overflow);
    return !overflow && *out >= 0 && *out < INT64_C(1) << 48;
}

/* Take references to all parts; false with a Python error, and none taken. */
bool hold(PyObject *record, PyObject *const names[PARTS], Held *held)
{
    memset(held, 0, sizeof *held);
    for (int i = 0; i < PARTS; i++) {
        held->part[i] = PyObject_GetAttr(record, names[i]);
        if (!held->part[i]) {
            let_go(held);
            return false;
        }
    }
    return true;
}

void let_go(Held *held)
{
    for (int i = 0; i < PARTS; i++)
        Py_CLEAR(held->part[i]);
}

/* The name and the value of a header of exact types: ASCII in lower case, and bytes. */
static bool header(PyObject *pair, Text *name, Text *value)
{
    if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
        return false;
    PyObject *first = PyTuple_GET_ITEM(pair, 0), *second = PyTuple_GET_ITEM(pair, 1);
    if (!PyUnicode_CheckExact(first) || !PyUnicode_IS_COMPACT_ASCII(first) || !PyBytes_CheckExact(second))
        return false;
    *name = (Text){PyUnicode_1BYTE_DATA(first), (size_t)PyUnicode_GET_LENGTH(first)};
    *value = text_of(second);
    for (size_t i = 0; i < name->size; i++)
        if (name->at[i] >= 'A' && name->at[i] <= 'Z')
            return false;
    return true;
}

static bool begins(Text text, Text prefix)
{
    return text.size >= prefix.size && memcmp(text.at, prefix.at, prefix.size) == 0;
}

/* Enter a header; false for one of ours, and for attributes of which a header is not the usual place. */
static bool take_header(Attributes *attributes, Text name, Text value)
{
    const Text prefix = LITERAL("ce_");
    Field field = UNKNOWN;
    if (begins(name, LITERAL("lockstep-")))
        return false;
    if (same(name, LITERAL("content-type")))
        field = CONTENT_TYPE;
    else if (begins(name, prefix)) {
        field = field_of((Text){name.at + prefix.size, name.size - prefix.size});
        if (field == UNCOMMON || field == DATA || field == CONTENT_TYPE)
            return false;
    }
    if (field == UNKNOWN)
        return true;
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] < 0x20 || value.at[i] >= 0x80)
            return false;
    return set_field(attributes, field, value);
}

/* The attributes of a record, and the bytes of its value and headers; false where anything is not plain. */
bool read_record(const Held *held, Attributes *attributes, int64_t *size)
{
    PyObject *headers = held->part[HEADERS], *value = held->part[VALUE];
    bool list = PyList_CheckExact(headers);
    if (!PyBytes_CheckExact(held->part[KEY]) || !PyBytes_CheckExact(value) || !(list || PyTuple_CheckExact(headers)))
        return false;
    Text payload = text_of(value), name, text;
    memset(attributes, 0, sizeof *attributes);
    *size = (int64_t)payload.size;
    for (Py_ssize_t i = 0; i < (list ? PyList_GET_SIZE(headers) : PyTuple_GET_SIZE(headers)); i++) {
        PyObject *pair = list ? PyList_GET_ITEM(headers, i) : PyTuple_GET_ITEM(headers, i);
        if (!header(pair, &name, &text) || !take_header(attributes, name, text))
            return false;
        *size += (int64_t)(name.size + text.size);
    }
    if (attributes->field[CONTENT_TYPE].at &&
        same(attributes->field[CONTENT_TYPE], LITERAL("application/cloudevents+json"))) {
        memset(attributes, 0, sizeof *attributes); /* those of the value count */
        return read_structured(payload, attributes);
    }
    return !payload.size || (json_whole(payload) && set_field(attributes, DATA, payload));
}
