/* The hashes of `route`: BLAKE2b (RFC 7693) for fingerprints, CRC-32 for digests, murmur2 for partitions. */
#include "plain.h"

#include <string.h>

static inline uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t load64(const uint8_t *at)
{
    return load32(at) | (uint64_t)load32(at + 4) << 32;
}

/* -- BLAKE2b */

static const uint64_t INITIAL[8] = {
    UINT64_C(0x6A09E667F3BCC908), UINT64_C(0xBB67AE8584CAA73B), UINT64_C(0x3C6EF372FE94F82B),
    UINT64_C(0xA54FF53A5F1D36F1), UINT64_C(0x510E527FADE682D1), UINT64_C(0x9B05688C2B3E6C1F),
    UINT64_C(0x1F83D9ABFB41BD6B), UINT64_C(0x5BE0CD19137E2179),
};

static const uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turned(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static inline void mix(uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = turned(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = turned(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 63);
}

/* Take one block; `taken` counts the bytes up to its end. */
static void compress(uint64_t h[8], const uint8_t block[BLOCK], uint64_t taken, bool last)
{
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++)
        m[i] = load64(block + 8 * i);
    for (int i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = INITIAL[i];
    }
    v[12] ^= taken;
    v[14] ^= last ? UINT64_MAX : 0;
#pragma GCC unroll 12
    for (int round = 0; round < 12; round++) { /* unrolled, the compiler knows the order of each */
        const uint8_t *s = ORDER[round % 10];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

/* A hash of FINGERPRINT bytes under a key of at most LONGEST_KEY bytes, personal to at most 16, that took nothing. */
void keyed_begin(Keyed *keyed, Text key, Text person)
{
    uint8_t block[BLOCK] = {0};
    if (person.size)
        memcpy(block, person.at, person.size);
    for (int i = 0; i < 8; i++)
        keyed->h[i] = INITIAL[i];
    keyed->h[0] ^= UINT64_C(0x01010000) ^ (uint64_t)key.size << 8 ^ FINGERPRINT;
    keyed->h[6] ^= load64(block);
    keyed->h[7] ^= load64(block + 8);
    keyed->taken = 0;
    if (!key.size)
        return;
    memset(block, 0, sizeof block);
    memcpy(block, key.at, key.size);
    keyed->taken = BLOCK;
    compress(keyed->h, block, BLOCK, false);
}

/* The digest of a message, which must not be empty. */
void keyed_digest(const Keyed *keyed, Text message, uint8_t digest[FINGERPRINT])
{
    uint8_t block[BLOCK] = {0};
    uint64_t h[8];
    memcpy(h, keyed->h, sizeof h);
    uint64_t taken = keyed->taken;
    while (message.size > BLOCK) {
        taken += BLOCK;
        compress(h, message.at, taken, false);
        message.at += BLOCK;
        message.size -= BLOCK;
    }
    memcpy(block, message.at, message.size);
    compress(h, block, taken + message.size, true);
    for (int i = 0; i < FINGERPRINT; i++)
        digest[i] = (uint8_t)(h[i / 8] >> 8 * (i % 8));
}

/* -- CRC-32, eight bytes at a time: table n is that of a byte with n others behind it */

void crc_begin(Crc *crc)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t rest = i;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ (rest & 1 ? UINT32_C(0xEDB88320) : 0);
        crc->table[0][i] = rest;
    }
    for (int n = 1; n < CRC_TABLES; n++)
        for (int i = 0; i < 256; i++)
            crc->table[n][i] = crc->table[n - 1][i] >> 8 ^ crc->table[0][crc->table[n - 1][i] & 0xFF];
}

uint32_t crc_of(const Crc *crc, Text text)
{
    const uint32_t(*t)[256] = crc->table;
    uint32_t rest = UINT32_MAX;
    for (; text.size >= 8; text.at += 8, text.size -= 8) {
        uint32_t low = load32(text.at) ^ rest, high = load32(text.at + 4);
        rest = t[7][low & 0xFF] ^ t[6][low >> 8 & 0xFF] ^ t[5][low >> 16 & 0xFF] ^ t[4][low >> 24] ^
               t[3][high & 0xFF] ^ t[2][high >> 8 & 0xFF] ^ t[1][high >> 16 & 0xFF] ^ t[0][high >> 24];
    }
    for (size_t i = 0; i < text.size; i++)
        rest = rest >> 8 ^ t[0][(rest ^ text.at[i]) & 0xFF];
    return ~rest;
}

/* -- murmur2 with Kafka's seed */

uint32_t murmur2_of(Text text)
{
    const uint32_t m = UINT32_C(0x5BD1E995);
    uint32_t h = UINT32_C(0x9747B28C) ^ (uint32_t)text.size, rest = 0;
    for (; text.size >= 4; text.at += 4, text.size -= 4) {
        uint32_t k = load32(text.at) * m;
        h = h * m ^ (k ^ k >> 24) * m;
    }
    for (size_t i = 0; i < text.size; i++)
        rest |= (uint32_t)text.at[i] << 8 * i;
    if (text.size)
        h = (h ^ rest) * m;
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}
