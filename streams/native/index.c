/* Lines of eight keys, looked up and filled: what `streams/index.py` does with many keys, one after the other. */
#include "kernel.h"

#include <string.h>

enum { WIDTH = 8, LOW = 4 }; /* keys of a line; bytes of a fingerprint that are not in its key but begin its cell */
enum { AHEAD = 16 };         /* keys whose lines are on their way from memory while one is worked on */

/* The memory of an index: `size` bytes a cell. */
typedef struct {
    uint64_t *keys;
    uint8_t *cells;
    uint64_t lines;
    size_t size;
} Table;

static uint64_t home_of(uint64_t key, uint64_t lines)
{
    return (key >> 32) * lines >> 32;
}

static uint64_t next_line(uint64_t line, uint64_t lines)
{
    return line + 1 < lines ? line + 1 : 0;
}

/* Have the line of a key come from memory: in a large table none is in a cache, and waiting for each is most of it. */
static void expect_line(const Table *table, uint64_t key)
{
    const uint64_t *line = table->keys + home_of(key, table->lines) * WIDTH;
    __builtin_prefetch(line);
    __builtin_prefetch(line + WIDTH);
}

/* Have the cell come that a key will take, where its line is not full. */
static void expect_cell(const Table *table, const uint8_t *fill, uint64_t key)
{
    uint64_t line = home_of(key, table->lines);
    __builtin_prefetch(table->keys + line * WIDTH, 1);
    __builtin_prefetch(table->cells + (line * WIDTH + fill[line]) * table->size, 1);
}

/* The slot of a fingerprint, -1 where it is not there. */
static int64_t find_slot(const Table *table, uint64_t key, const uint8_t *low)
{
    uint64_t line = home_of(key, table->lines);
    for (uint64_t tries = 0; tries < table->lines; tries++, line = next_line(line, table->lines))
        for (uint64_t slot = line * WIDTH; slot < (line + 1) * WIDTH; slot++) {
            if (!table->keys[slot])
                return -1;
            if (table->keys[slot] == key && memcmp(table->cells + slot * table->size, low, LOW) == 0)
                return (int64_t)slot;
        }
    return -1;
}

/* Put a key into the first free place of its line, or of the next that is not full; false where all are. */
static bool put(const Table *table, uint8_t *fill, uint64_t key, const uint8_t *cell)
{
    uint64_t line = home_of(key, table->lines), tries = 0;
    for (; fill[line] >= WIDTH; line = next_line(line, table->lines))
        if (++tries == table->lines)
            return false;
    uint64_t slot = line * WIDTH + fill[line]++;
    table->keys[slot] = key;
    memcpy(table->cells + slot * table->size, cell, table->size);
    return true;
}

/* -- from Python */

/* Arrays of a call, each contiguous: keys and cells of the table, keys that are asked for or put in, what comes with
 * each of these (`low`, or a whole cell), and an array to write: the slot of each, or how many keys a line has. */
enum { TABLE, CELLS, KEYS, WITH, OUT, ARRAYS };

static void release(Py_buffer arrays[ARRAYS])
{
    for (int i = 0; i < ARRAYS; i++)
        PyBuffer_Release(&arrays[i]);
}

/* Take hold of the arrays of a call, where `with` bytes (0: a cell) come with a key, and as many numbers of `out` bytes
 * are written as there are keys (lines, where a cell comes). False with a Python error. */
static bool hold_arrays(PyObject *args, Py_buffer arrays[ARRAYS], Py_ssize_t with, Table *table)
{
    if (!PyArg_ParseTuple(args, "w*w*y*y*w*", &arrays[TABLE], &arrays[CELLS], &arrays[KEYS], &arrays[WITH],
                          &arrays[OUT]))
        return false; /* which lets go of those it has taken */
    Py_ssize_t lines = arrays[TABLE].len / (WIDTH * 8), keys = arrays[KEYS].len / 8;
    Py_ssize_t size = lines ? arrays[CELLS].len / (lines * WIDTH) : 0;
    *table = (Table){arrays[TABLE].buf, arrays[CELLS].buf, (uint64_t)lines, (size_t)size};
    if (size >= LOW && arrays[TABLE].len == lines * WIDTH * 8 && arrays[CELLS].len == lines * WIDTH * size &&
        arrays[KEYS].len == keys * 8 && arrays[WITH].len == keys * (with ? with : size) &&
        arrays[OUT].len == (with ? keys * 8 : lines))
        return true;
    release(arrays);
    PyErr_SetString(PyExc_ValueError, "arrays that do not go together");
    return false;
}

/* find(table, cells, keys, low, found) */
PyObject *find_keys(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer arrays[ARRAYS] = {0};
    Table table;
    if (!hold_arrays(args, arrays, LOW, &table))
        return NULL;
    const uint64_t *keys = arrays[KEYS].buf;
    const uint8_t *low = arrays[WITH].buf;
    int64_t *found = arrays[OUT].buf;
    Py_ssize_t count = arrays[KEYS].len / 8;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            expect_line(&table, keys[i + AHEAD]);
        found[i] = find_slot(&table, keys[i], low + i * LOW);
    }
    release(arrays);
    return Py_NewRef(Py_None);
}

/* place(table, cells, keys, fresh, fill). A key of 0 is none: all of another table may be placed. */
PyObject *place_keys(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer arrays[ARRAYS] = {0};
    Table table;
    if (!hold_arrays(args, arrays, 0, &table))
        return NULL;
    const uint64_t *keys = arrays[KEYS].buf;
    const uint8_t *fresh = arrays[WITH].buf;
    uint8_t *fill = arrays[OUT].buf;
    Py_ssize_t count = arrays[KEYS].len / 8;
    bool placed = true;
    for (Py_ssize_t i = 0; placed && i < count; i++) {
        if (i + 2 * AHEAD < count)
            __builtin_prefetch(fill + home_of(keys[i + 2 * AHEAD], table.lines));
        if (i + AHEAD < count)
            expect_cell(&table, fill, keys[i + AHEAD]);
        placed = !keys[i] || put(&table, fill, keys[i], fresh + (size_t)i * table.size);
    }
    release(arrays);
    if (!placed)
        PyErr_SetString(PyExc_ValueError, "no line has room");
    return placed ? Py_NewRef(Py_None) : NULL;
}
