/* Moments as nearly all producers write them: 2027-01-15T08:00:00[.123456789](Z|+01:00). */
#include "plain.h"

typedef struct {
    int64_t year, month, day, hour, minute, second;
} Parts;

/* A number of so many digits, from `least` to `most`. */
static bool take(Text *text, size_t digits, int64_t least, int64_t most, int64_t *number)
{
    if (text->size < digits)
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text->at[i] < '0' || text->at[i] > '9')
            return false;
        *number = *number * 10 + (text->at[i] - '0');
    }
    text->at += digits;
    text->size -= digits;
    return *number >= least && *number <= most;
}

static bool skip(Text *text, char expected)
{
    if (!text->size || *text->at != (uint8_t)expected)
        return false;
    text->at++;
    text->size--;
    return true;
}

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from the year 1970 to a date. */
static int64_t days_to(const Parts *parts)
{
    static const int16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t years = parts->year - 1; /* that are over, since the first */
    int64_t days = years * 365 + years / 4 - years / 100 + years / 400 - 719162;
    return days + before[parts->month - 1] + (parts->month > 2 && leap(parts->year)) + parts->day - 1;
}

static bool date_exists(const Parts *parts)
{
    static const int8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return parts->day <= length[parts->month - 1] + (parts->month == 2 && leap(parts->year));
}

/* Whole milliseconds of a fraction, 0 where there is none; at most nine digits. */
static bool take_fraction(Text *text, int64_t *ms)
{
    int64_t scale = 100;
    size_t digits = 0;
    *ms = 0;
    if (!skip(text, '.'))
        return true;
    for (; text->size && *text->at >= '0' && *text->at <= '9'; digits++, scale /= 10) {
        *ms += (*text->at - '0') * scale;
        text->at++;
        text->size--;
    }
    return digits >= 1 && digits <= 9;
}

/* Minutes that a zone is ahead; nothing may follow it. */
static bool take_zone(Text *text, int64_t *minutes)
{
    int64_t hour, minute;
    *minutes = 0;
    if (skip(text, 'Z'))
        return !text->size;
    bool ahead = skip(text, '+');
    if (!ahead && !skip(text, '-'))
        return false;
    if (!take(text, 2, 0, 23, &hour) || !skip(text, ':') || !take(text, 2, 0, 59, &minute))
        return false;
    *minutes = (hour * 60 + minute) * (ahead ? 1 : -1);
    return !text->size;
}

/* Milliseconds since 1970; false for every other form, and for years before 1971, so that none are below zero. */
bool read_moment(Text text, int64_t *ms)
{
    Parts parts;
    int64_t fraction, zone;
    if (!take(&text, 4, 1971, 9998, &parts.year) || !skip(&text, '-') || !take(&text, 2, 1, 12, &parts.month) ||
        !skip(&text, '-') || !take(&text, 2, 1, 31, &parts.day) || !skip(&text, 'T') || !date_exists(&parts))
        return false;
    if (!take(&text, 2, 0, 23, &parts.hour) || !skip(&text, ':') || !take(&text, 2, 0, 59, &parts.minute) ||
        !skip(&text, ':') || !take(&text, 2, 0, 59, &parts.second))
        return false;
    if (!take_fraction(&text, &fraction) || !take_zone(&text, &zone))
        return false;
    int64_t minutes = (days_to(&parts) * 24 + parts.hour) * 60 + parts.minute - zone;
    *ms = (minutes * 60 + parts.second) * 1000 + fraction;
    return true;
}
