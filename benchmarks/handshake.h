/* The server's side of the opening handshake, for the programs that are servers: RFC 6455 section 4.2.2. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotated(uint32_t value, unsigned count) { return value << count | value >> (32 - count); }

/* RFC 3174 section 6.1, for one block of 64 octets. */
static void sha1_block(uint32_t state[5], const uint8_t *block)
{
    static const uint32_t CONSTANT[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t word[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned i = 0; i < 80; i++) {
        word[i] = i < 16 ? (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3]
                         : rotated(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
        uint32_t mixed = i < 20   ? (b & c) | (~b & d)
                         : i < 40 ? b ^ c ^ d
                         : i < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
        mixed += rotated(a, 5) + e + word[i] + CONSTANT[i / 20];
        e = d, d = c, c = rotated(b, 30), b = a, a = mixed;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* `text` has 56 to 111 octets, as a key and its GUID do: two blocks with the length behind it. */
static void sha1(const char *text, uint8_t digest[20])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[128] = {0};
    size_t size = strlen(text);
    memcpy(blocks, text, size);
    blocks[size] = 0x80;
    blocks[126] = (uint8_t)(size * 8 >> 8);
    blocks[127] = (uint8_t)(size * 8);
    sha1_block(state, blocks);
    sha1_block(state, blocks + 64);
    for (unsigned i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const uint8_t digest[20], char text[29])
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < 27; i++) { /* six bits each, the last ones filled with zeros */
        unsigned bit = 6 * i, pair = (unsigned)digest[bit / 8] << 8 | (bit / 8 < 19 ? digest[bit / 8 + 1] : 0);
        text[i] = LETTERS[pair >> (10 - bit % 8) & 63];
    }
    strcpy(text + 27, "=");
}

/* The answer to a request that has come whole; false if there is no key of 24 characters in it. */
static bool answer(const char *request, char *response)
{
    static const char NAME[] = "\r\nSec-WebSocket-Key:";
    char text[64], accept[29];
    uint8_t digest[20];
    const char *key = strcasestr(request, NAME);
    if (!key || sscanf(key + sizeof NAME - 1, " %24[A-Za-z0-9+/=]", text) != 1 || strlen(text) != 24)
        return false;
    strcat(text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1(text, digest);
    base64(digest, accept);
    sprintf(response,
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: %s\r\n"
            "\r\n",
            accept);
    return true;
}
