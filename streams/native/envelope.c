/* Envelopes as msgspec packs those of streams/envelope.py: every number and head in its shortest form. */
#include "plain.h"

#include <string.h>

enum { NUMBER = 9, HEAD = 5, NUMBERS = 8, TEXTS = 8 };

/* Room that is filled; `failed` once it was too small. */
typedef struct {
    uint8_t *at, *end;
    bool failed;
} Writer;

static void put(Writer *writer, const void *bytes, size_t size)
{
    if ((size_t)(writer->end - writer->at) < size) {
        writer->failed = true;
        return;
    }
    if (size)
        memcpy(writer->at, bytes, size);
    writer->at += size;
}

/* A byte that says what follows, and a number of `size` bytes, the highest first. */
static void put_tagged(Writer *writer, uint8_t tag, uint64_t number, size_t size)
{
    uint8_t bytes[NUMBER] = {tag};
    for (size_t i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(number >> 8 * (size - 1 - i));
    put(writer, bytes, 1 + size);
}

/* A number from -1 on. */
static void put_number(Writer *writer, int64_t number)
{
    uint64_t n = (uint64_t)number;
    if (number < 0x80)
        put_tagged(writer, (uint8_t)n, 0, 0);
    else if (n <= UINT8_MAX)
        put_tagged(writer, 0xCC, n, 1);
    else if (n <= UINT16_MAX)
        put_tagged(writer, 0xCD, n, 2);
    else if (n <= UINT32_MAX)
        put_tagged(writer, 0xCE, n, 4);
    else
        put_tagged(writer, 0xCF, n, 8);
}

static void put_string(Writer *writer, Text text)
{
    if (text.size < 32)
        put_tagged(writer, (uint8_t)(0xA0 | text.size), 0, 0);
    else if (text.size <= UINT8_MAX)
        put_tagged(writer, 0xD9, text.size, 1);
    else
        put_tagged(writer, 0xDA, text.size, 2);
    put(writer, text.at, text.size);
}

static void put_bytes(Writer *writer, Text text)
{
    if (text.size <= UINT8_MAX)
        put_tagged(writer, 0xC4, text.size, 1);
    else if (text.size <= UINT16_MAX)
        put_tagged(writer, 0xC5, text.size, 2);
    else
        put_tagged(writer, 0xC6, text.size, 4);
    put(writer, text.at, text.size);
}

/* Bytes that an envelope takes at most. */
size_t envelope_bound(const Envelope *envelope, const Frame *frame)
{
    return frame->head.size + frame->target.size + frame->tail.size + NUMBERS * NUMBER + TEXTS * HEAD +
           envelope->account.size + envelope->source.size + envelope->id.size + envelope->type.size +
           envelope->content_type.size + envelope->payload.size + envelope->collapse_key.size + envelope->trace.size;
}

/* Bytes written, 0 where the room is too small. Strings are shorter than 64 KiB, the payload than 4 GiB. */
size_t envelope_pack(const Envelope *envelope, const Frame *frame, uint8_t *room, size_t size)
{
    Writer writer = {.at = room, .end = room + size};
    put(&writer, frame->head.at, frame->head.size);
    put_number(&writer, envelope->partition);
    put_number(&writer, envelope->seq);
    put_number(&writer, envelope->lane);
    put_string(&writer, envelope->account);
    put_string(&writer, envelope->source);
    put_string(&writer, envelope->id);
    put_string(&writer, envelope->type);
    put_number(&writer, envelope->time);
    put_number(&writer, envelope->appended);
    put_number(&writer, envelope->deadline);
    put_number(&writer, envelope->expires);
    put_string(&writer, envelope->content_type);
    put_bytes(&writer, envelope->payload);
    put(&writer, frame->target.at, frame->target.size);
    put_string(&writer, envelope->collapse_key);
    put_number(&writer, envelope->revision);
    put_string(&writer, envelope->trace);
    put(&writer, frame->tail.at, frame->tail.size);
    return writer.failed ? 0 : (size_t)(writer.at - room);
}
