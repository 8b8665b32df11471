/* JSON as RFC 8259 has it, in strict UTF-8, to a moderate depth: no reader refuses what is taken here. */
#include "plain.h"

#include <string.h>

enum { DEEPEST = 32 };

static const uint64_t ONES = UINT64_C(0x0101010101010101);
static const uint64_t HIGH = UINT64_C(0x8080808080808080);

/* Not zero where one of eight bytes is a quote, a backslash, a control character or not ASCII. */
static inline uint64_t special(uint64_t word)
{
    uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
    uint64_t found = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((word - ONES * 0x20) & ~word) | word;
    return found & HIGH;
}

/* White space. */
const uint8_t *json_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* The characters of a string up to one that is not simply itself; never NULL. */
const uint8_t *json_plain(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t found = special(word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (found) /* the lowest bit is right; above it a borrow may have set others */
            return at + __builtin_ctzll(found) / 8;
#else
        if (found)
            break;
#endif
        at += 8;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The number of four hexadecimal digits, -1 where there are none. */
static int32_t hex(const uint8_t *at, const uint8_t *end)
{
    int32_t number = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = at[i], letter = c | 0x20;
        if (c >= '0' && c <= '9')
            number = number << 4 | (c - '0');
        else if (letter >= 'a' && letter <= 'f')
            number = number << 4 | (letter - 'a' + 10);
        else
            return -1;
    }
    return number;
}

/* What follows a backslash. */
static const uint8_t *escape(const uint8_t *at, const uint8_t *end)
{
    if (at == end)
        return NULL;
    if (*at != 'u')
        return memchr("\"\\/bfnrt", *at, 8) ? at + 1 : NULL;
    int32_t unit = hex(at + 1, end);
    if (unit < 0)
        return NULL;
    if (unit < 0xD800 || unit > 0xDFFF)
        return at + 5;
    if (unit > 0xDBFF || end - at < 11 || at[5] != '\\' || at[6] != 'u')
        return NULL;
    int32_t low = hex(at + 7, end);
    return low >= 0xDC00 && low <= 0xDFFF ? at + 11 : NULL;
}

/* One character of several bytes. The second byte has bounds of its own: no overlong forms, no surrogates. */
static const uint8_t *wide(const uint8_t *at, const uint8_t *end)
{
    uint8_t first = *at, least = 0x80, most = 0xBF;
    ptrdiff_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first < 0xC2 || first > 0xF4 || end - at < length)
        return NULL;
    if (first == 0xE0)
        least = 0xA0;
    else if (first == 0xED)
        most = 0x9F;
    else if (first == 0xF0)
        least = 0x90;
    else if (first == 0xF4)
        most = 0x8F;
    if (at[1] < least || at[1] > most)
        return NULL;
    for (ptrdiff_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xBF)
            return NULL;
    return at + length;
}

static const uint8_t *string(const uint8_t *at, const uint8_t *end)
{
    if (at == end || *at++ != '"')
        return NULL;
    while (at) {
        at = json_plain(at, end);
        if (at == end || *at < 0x20)
            return NULL;
        if (*at == '"')
            return at + 1;
        at = *at == '\\' ? escape(at + 1, end) : wide(at, end);
    }
    return NULL;
}

/* One digit or more. */
static const uint8_t *digits(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > start ? at : NULL;
}

static const uint8_t *number(const uint8_t *at, const uint8_t *end)
{
    if (at < end && *at == '-')
        at++;
    const uint8_t *start = at;
    at = digits(at, end);
    if (!at || (*start == '0' && at > start + 1))
        return NULL;
    if (at < end && *at == '.' && !(at = digits(at + 1, end)))
        return NULL;
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = digits(at, end);
    }
    return at;
}

static const uint8_t *word(const uint8_t *at, const uint8_t *end, const char *text, ptrdiff_t length)
{
    return end - at >= length && memcmp(at, text, (size_t)length) == 0 ? at + length : NULL;
}

/* A value that holds no others. */
static const uint8_t *scalar(const uint8_t *at, const uint8_t *end)
{
    switch (*at) {
    case '"':
        return string(at, end);
    case 't':
        return word(at, end, "true", 4);
    case 'f':
        return word(at, end, "false", 5);
    case 'n':
        return word(at, end, "null", 4);
    default:
        return number(at, end);
    }
}

/* The name of a member, and its colon. */
static const uint8_t *name(const uint8_t *at, const uint8_t *end)
{
    at = string(json_space(at, end), end);
    if (!at)
        return NULL;
    at = json_space(at, end);
    return at < end && *at == ':' ? at + 1 : NULL;
}

/* Where a walk through a value is. */
typedef struct {
    const uint8_t *at, *end;
    uint32_t objects; /* of each container around the place, the innermost lowest, whether it is an object */
    int depth;
    bool value; /* a value comes next */
} Walk;

/* The begin of a container; an empty one is a value that is over. */
static bool enter(Walk *walk)
{
    bool object = *walk->at == '{';
    const uint8_t *inside = json_space(walk->at + 1, walk->end);
    walk->value = inside == walk->end || *inside != (object ? '}' : ']');
    if (!walk->value) {
        walk->at = inside + 1;
        return true;
    }
    if (walk->depth++ == DEEPEST)
        return false;
    walk->objects = walk->objects << 1 | object;
    walk->at = object ? name(inside, walk->end) : inside;
    return walk->at != NULL;
}

/* What follows a value in its container: the next one, or the end of the container. */
static bool leave(Walk *walk)
{
    bool object = walk->objects & 1;
    walk->at = json_space(walk->at, walk->end);
    if (walk->at == walk->end)
        return false;
    uint8_t c = *walk->at++;
    if (c == ',') {
        walk->value = true;
        if (object)
            walk->at = name(walk->at, walk->end);
        return walk->at != NULL;
    }
    walk->objects >>= 1;
    walk->depth--;
    return c == (object ? '}' : ']');
}

/* Any value, without the white space around it. */
const uint8_t *json_value(const uint8_t *at, const uint8_t *end)
{
    Walk walk = {.at = at, .end = end, .value = true};
    while (walk.value || walk.depth) {
        if (!walk.value) {
            if (!leave(&walk))
                return NULL;
            continue;
        }
        walk.at = json_space(walk.at, end);
        if (walk.at == end)
            return NULL;
        if (*walk.at == '{' || *walk.at == '[') {
            if (!enter(&walk))
                return NULL;
            continue;
        }
        walk.value = false;
        walk.at = scalar(walk.at, end);
        if (!walk.at)
            return NULL;
    }
    return walk.at;
}

/* Whether a text is one value and nothing else. */
bool json_whole(Text text)
{
    const uint8_t *end = text.at + text.size, *at = json_value(text.at, end);
    return at && json_space(at, end) == end;
}
