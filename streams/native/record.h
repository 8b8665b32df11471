/* Records of `ingest` as Python objects: what batch.c asks of record.c. */
#ifndef LOCKSTEP_RECORD_H
#define LOCKSTEP_RECORD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plain.h"

typedef enum { OFFSET, TIMESTAMP, KEY, VALUE, HEADERS, PARTS } Part;

/* Strong references to the parts of a record. */
typedef struct {
    PyObject *part[PARTS];
} Held;

Text text_of(PyObject *bytes);
bool number_of(PyObject *number, int64_t *out);
bool hold(PyObject *record, PyObject *const names[PARTS], Held *held);
void let_go(Held *held);
bool read_record(const Held *held, Attributes *attributes, int64_t *size);

#endif
