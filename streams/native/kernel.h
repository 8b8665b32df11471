/* What batch.c, index.c, kernel.c and module.c share: the kernel as a Python object, and functions. */
#ifndef LOCKSTEP_KERNEL_H
#define LOCKSTEP_KERNEL_H

#include "record.h"

typedef struct {
    PyObject_HEAD
    Rules rules;
    Policy *policies;
    PyObject *kept; /* what the rules point into */
    PyTypeObject *accepted, *entry;
    PyObject *names[PARTS];
    PyObject *no_first;
} Kernel;

/* batch.c */
PyObject *bytes_of(const uint8_t *at, size_t size);
PyObject *take(PyObject *self, PyObject *args);

/* index.c */
PyObject *find_keys(PyObject *module, PyObject *args);
PyObject *place_keys(PyObject *module, PyObject *args);

/* kernel.c */
int add_kernel(PyObject *module);

#endif
