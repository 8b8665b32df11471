/* The attributes of an event in structured mode. */
#include "plain.h"

#include <string.h>

enum { MOST_DIGITS = 18 };

typedef struct {
    const char *name;
    size_t size;
    Field field;
} Known;

#define KNOWN(name, field) {name, sizeof name - 1, field}
static const Known known[] = {
    KNOWN("id", ID),
    KNOWN("type", TYPE),
    KNOWN("time", TIME),
    KNOWN("data", DATA),
    KNOWN("source", SOURCE),
    KNOWN("subject", SUBJECT),
    KNOWN("version", VERSION),
    KNOWN("specversion", SPECVERSION),
    KNOWN("traceparent", TRACEPARENT),
    KNOWN("collapsekey", COLLAPSEKEY),
    KNOWN("datacontenttype", CONTENT_TYPE),
    KNOWN("deviceids", UNCOMMON),
    KNOWN("expirytime", UNCOMMON),
    KNOWN("devicetypes", UNCOMMON),
    KNOWN("data_base64", UNCOMMON),
    KNOWN("origindevice", UNCOMMON),
};

/* The attribute of a name. */
Field field_of(Text name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].size == name.size && memcmp(known[i].name, name.at, name.size) == 0)
            return known[i].field;
    return UNKNOWN;
}

/* False for an attribute that is there already: which of two counts is for Python to say. */
bool set_field(Attributes *attributes, Field field, Text text)
{
    if (attributes->field[field].at || !text.size)
        return false;
    attributes->field[field] = text;
    return true;
}

/* A string of ASCII without escapes, which must not be empty. */
static const uint8_t *plain_string(const uint8_t *at, const uint8_t *end, Text *text)
{
    if (at == end || *at++ != '"')
        return NULL;
    const uint8_t *close = json_plain(at, end);
    if (close == end || *close != '"')
        return NULL;
    *text = (Text){at, (size_t)(close - at)};
    return close + 1;
}

/* A number of digits alone, as JSON writes it. */
static const uint8_t *plain_number(const uint8_t *at, const uint8_t *end, Text *text)
{
    const uint8_t *start = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    *text = (Text){start, (size_t)(at - start)};
    return text->size <= MOST_DIGITS && (*start != '0' || text->size == 1) ? at : NULL;
}

/* The value of a member. */
static const uint8_t *member(const uint8_t *at, const uint8_t *end, Field field, Attributes *attributes)
{
    Text text;
    const uint8_t *start = at;
    if (at == end || field == UNCOMMON)
        return NULL;
    if (field == UNKNOWN)
        return json_value(at, end);
    if (field == DATA) {
        at = json_value(at, end);
        text = at ? (Text){start, (size_t)(at - start)} : (Text){NULL, 0};
    } else if (field == VERSION && *at >= '0' && *at <= '9') {
        at = plain_number(at, end, &text);
    } else {
        at = plain_string(at, end, &text);
    }
    return at && set_field(attributes, field, text) ? at : NULL;
}

/* Read the JSON format of a CloudEvent; false where anything is not plain. */
bool read_structured(Text value, Attributes *attributes)
{
    const uint8_t *end = value.at + value.size, *at = json_space(value.at, end);
    if (at == end || *at != '{')
        return false;
    do {
        Text name;
        at = plain_string(json_space(at + 1, end), end, &name);
        if (!at)
            return false;
        at = json_space(at, end);
        if (at == end || *at != ':')
            return false;
        at = member(json_space(at + 1, end), end, field_of(name), attributes);
        if (!at)
            return false;
        at = json_space(at, end);
    } while (at < end && *at == ',');
    return at < end && *at == '}' && json_space(at + 1, end) == end;
}
