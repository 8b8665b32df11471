/* The plain path of `route`: what its parts share. A part that is unsure says so, and Python decides. */
#ifndef LOCKSTEP_PLAIN_H
#define LOCKSTEP_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to somebody else; `at` is NULL where there are none. */
typedef struct {
    const uint8_t *at;
    size_t size;
} Text;

static inline bool same(Text one, Text other)
{
    if (one.size != other.size)
        return false;
    for (size_t i = 0; i < one.size; i++)
        if (one.at[i] != other.at[i])
            return false;
    return true;
}

/* Two of the limits of streams/event.py, and the prefix of a trace that is kept; characters, which are ASCII here. */
enum { MAX_ID = 256, MAX_ACCOUNT = 128, MAX_TRACE = 64 };

/* Attributes of an event; the last two are no places: what is passed over, and what no plain event has. */
typedef enum {
    SPECVERSION, ID, SOURCE, TYPE, SUBJECT, TIME, CONTENT_TYPE, DATA, COLLAPSEKEY, VERSION, TRACEPARENT,
    FIELDS, UNKNOWN, UNCOMMON
} Field;

/* Each of ASCII without control characters (but delete) and not empty; `data` is a JSON text in UTF-8. */
typedef struct {
    Text field[FIELDS];
} Attributes;

/* attributes.c */
Field field_of(Text name);
bool set_field(Attributes *attributes, Field field, Text text);
bool read_structured(Text value, Attributes *attributes);

/* json.c: each gives the place behind what it has read, NULL where it is unsure or at a fault. */
const uint8_t *json_space(const uint8_t *at, const uint8_t *end);
const uint8_t *json_plain(const uint8_t *at, const uint8_t *end);
const uint8_t *json_value(const uint8_t *at, const uint8_t *end);

bool json_whole(Text text);

/* moment.c */
bool read_moment(Text text, int64_t *ms);

/* hashes.c */
enum { FINGERPRINT = 12, LONGEST_KEY = 64, BLOCK = 128, CRC_TABLES = 8 };
typedef struct {
    uint64_t h[8];
    uint64_t taken; /* bytes of the key's block, which is hashed already */
} Keyed;
typedef struct {
    uint32_t table[CRC_TABLES][256];
} Crc;
void keyed_begin(Keyed *keyed, Text key, Text person);
void keyed_digest(const Keyed *keyed, Text message, uint8_t digest[FINGERPRINT]);
void crc_begin(Crc *crc);
uint32_t crc_of(const Crc *crc, Text text);
uint32_t murmur2_of(Text text);

/* envelope.c */
typedef struct {
    int64_t partition, seq, lane, time, appended, deadline, expires, revision;
    Text account, source, id, type, content_type, payload, collapse_key, trace;
} Envelope;
/* What is the same in all envelopes, packed: the array's head, version and topic id; the target; the fields behind. */
typedef struct {
    Text head, target, tail;
} Frame;
size_t envelope_bound(const Envelope *envelope, const Frame *frame);
size_t envelope_pack(const Envelope *envelope, const Frame *frame, uint8_t *room, size_t size);

/* judge.c */
typedef struct {
    Text type;
    int64_t lane, max_age, ttl; /* ms */
    bool collapse;
} Policy;
typedef struct {
    const Policy *policies; /* in the order of `policy_order` */
    size_t count;
    int64_t event_bytes, tolerance, base, partitions;
    Keyed keyed;
    Crc crc;
    Frame frame;
} Rules;
/* A record; `size` is that of value and headers, `clock` the log time, ms. */
typedef struct {
    Text key;
    int64_t partition, offset, size, clock;
} Place;
int policy_order(const void *one, const void *other);
bool judge(const Rules *rules, const Place *place, const Attributes *attributes, Envelope *envelope);
void fingerprint_of(const Rules *rules, const Envelope *envelope, uint8_t digest[FINGERPRINT]);

#endif
