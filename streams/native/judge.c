/* The gates of `route` for an event whose attributes are plain, and what its envelope and fingerprint say. */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

#define LITERAL(text) ((Text){(const uint8_t *)(text), sizeof(text) - 1})
enum { MOST_DIGITS = 18 };
static const int64_t WEEK_MS = INT64_C(7) * 86400000;

/* How policies are sorted: by length of the type first. */
int policy_order(const void *one, const void *other)
{
    const Text a = ((const Policy *)one)->type, b = ((const Policy *)other)->type;
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a.size ? memcmp(a.at, b.at, a.size) : 0;
}

static const Policy *policy_of(const Rules *rules, Text type)
{
    const Policy wanted = {.type = type};
    return rules->count ? bsearch(&wanted, rules->policies, rules->count, sizeof wanted, policy_order) : NULL;
}

/* Printable ASCII without braces, and the key of the record. */
static bool good_account(Text account, Text key)
{
    if (account.size > MAX_ACCOUNT || !same(account, key))
        return false;
    for (size_t i = 0; i < account.size; i++)
        if (account.at[i] == '{' || account.at[i] == '}' || account.at[i] == 0x7F)
            return false;
    return true;
}

/* -1 where there is none. */
static bool read_revision(Text version, int64_t *revision)
{
    *revision = version.at ? 0 : -1;
    if (version.size > MOST_DIGITS)
        return false;
    for (size_t i = 0; i < version.size; i++) {
        if (version.at[i] < '0' || version.at[i] > '9')
            return false;
        *revision = *revision * 10 + (version.at[i] - '0');
    }
    return true;
}

/* What the attributes say by themselves; false where one is missing, too long or not as most are. */
static bool take_attributes(const Attributes *attributes, Text key, Envelope *envelope)
{
    const Text *field = attributes->field, json = LITERAL("application/json");
    if (!field[SPECVERSION].at || !same(field[SPECVERSION], LITERAL("1.0")))
        return false;
    if (!field[ID].at || !field[SOURCE].at || !field[TYPE].at || !field[TIME].at || !field[SUBJECT].at)
        return false;
    if (field[ID].size > MAX_ID || field[SOURCE].size > MAX_ID || field[TYPE].size > MAX_ID ||
        field[COLLAPSEKEY].size > MAX_ID || !good_account(field[SUBJECT], key))
        return false;
    if (field[CONTENT_TYPE].at && !same(field[CONTENT_TYPE], json))
        return false;
    envelope->account = field[SUBJECT];
    envelope->source = field[SOURCE];
    envelope->id = field[ID];
    envelope->type = field[TYPE];
    envelope->payload = field[DATA];
    envelope->content_type = field[DATA].at ? json : field[CONTENT_TYPE];
    envelope->collapse_key = field[COLLAPSEKEY];
    envelope->trace = field[TRACEPARENT];
    if (envelope->trace.size > MAX_TRACE)
        envelope->trace.size = MAX_TRACE;
    return read_revision(field[VERSION], &envelope->revision) && read_moment(field[TIME], &envelope->time);
}

/* True, and the envelope whole, for an event that every gate lets pass without a doubt. */
bool judge(const Rules *rules, const Place *place, const Attributes *attributes, Envelope *envelope)
{
    if (place->size > rules->event_bytes || !take_attributes(attributes, place->key, envelope))
        return false;
    const Policy *policy = policy_of(rules, envelope->type);
    if (!policy || envelope->time - place->clock > rules->tolerance)
        return false;
    envelope->deadline = envelope->time + policy->max_age;
    if (place->clock > envelope->deadline)
        return false;
    if ((murmur2_of(place->key) & 0x7FFFFFFF) % rules->partitions != place->partition)
        return false;
    envelope->partition = place->partition;
    envelope->seq = rules->base + place->offset;
    envelope->lane = policy->lane;
    envelope->appended = place->clock;
    envelope->expires = place->clock + (policy->ttl < WEEK_MS ? policy->ttl : WEEK_MS);
    if (!envelope->collapse_key.at && policy->collapse)
        envelope->collapse_key = envelope->type;
    return true;
}

/* A number below a thousand and a comma, in decimal digits. */
static char *put_length(char *at, size_t number)
{
    if (number >= 100)
        *at++ = (char)('0' + number / 100);
    if (number >= 10)
        *at++ = (char)('0' + number / 10 % 10);
    *at++ = (char)('0' + number % 10);
    *at++ = ',';
    return at;
}

/* See `seen_fingerprint`: the lengths say where each part ends. `judge` has seen to it that there is room. */
void fingerprint_of(const Rules *rules, const Envelope *envelope, uint8_t digest[FINGERPRINT])
{
    char message[8 + MAX_ACCOUNT + 2 * MAX_ID];
    const Text parts[] = {envelope->account, envelope->source, envelope->id};
    char *at = put_length(message, envelope->account.size);
    at = put_length(at, envelope->source.size);
    for (size_t i = 0; i < 3; i++) {
        memcpy(at, parts[i].at, parts[i].size);
        at += parts[i].size;
    }
    keyed_digest(&rules->keyed, (Text){(const uint8_t *)message, (size_t)(at - message)}, digest);
}
