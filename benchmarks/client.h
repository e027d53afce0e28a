/* What load.c and connect.c share: the handshake and frames of a client, clocks, latency, and options. */
#pragma once
#include "stream.h"
#include <time.h>

#define HEADERS                                                                                                        \
    "GET / HTTP/1.1\r\n"                                                                                               \
    "Host: 127.0.0.1\r\n"                                                                                              \
    "Upgrade: websocket\r\n"                                                                                           \
    "Connection: Upgrade\r\n"                                                                                          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                                                                  \
    "Sec-WebSocket-Version: 13\r\n"
static const char REQUEST[] = HEADERS "\r\n";
static const char REQUEST_DEFLATE[] = HEADERS "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* the answer to that key, RFC 6455 section 1.3 */
static const uint8_t KEY[4] = {0x37, 0xfa, 0x21, 0x3d};

static uint64_t clock_of(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now))
        fail("clock_gettime: %s", strerror(errno));
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

/* The CPU time of another process. */
static uint64_t cpu_of(long pid)
{
    clockid_t clock;
    if (clock_getcpuclockid((pid_t)pid, &clock))
        fail("no CPU clock of process %ld", pid);
    return clock_of(clock);
}

/* ---- latency ---- */

enum { KEPT = 1 << 22 };
static uint64_t latencies[KEPT], latency_count; /* the last ones, in nanoseconds */

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* Seconds; `latencies` is sorted. */
static double percentile(double share)
{
    uint64_t count = latency_count < KEPT ? latency_count : KEPT;
    return count ? (double)latencies[(uint64_t)(share * (double)(count - 1))] / 1e9 : 0;
}

/* Prints what was measured: times in nanoseconds. */
static void report(double messages, uint64_t elapsed, uint64_t cpu)
{
    qsort(latencies, latency_count < KEPT ? latency_count : KEPT, sizeof *latencies, compare);
    printf("{\"messages\": %.3f, \"elapsed\": %.9f, \"cpu\": %.9f, \"p50\": %.9f, \"p99\": %.9f, \"p999\": %.9f}\n",
           messages, (double)elapsed / 1e9, (double)cpu / 1e9, percentile(0.5), percentile(0.99), percentile(0.999));
    fflush(stdout);
}

/* ---- frames, RFC 6455 section 5.2 ---- */

/* Without a mask if `key` is NULL. Returns the size of the header. */
static size_t put_frame(uint8_t *out, long size, const uint8_t *key)
{
    size_t length = 2;
    unsigned extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
    out[0] = 0x82; /* FIN, binary */
    out[1] = (uint8_t)((key ? 0x80 : 0) | (extended == 0 ? size : extended == 2 ? 126 : 127));
    for (unsigned i = extended; i-- > 0;)
        out[length++] = (uint8_t)(size >> (8 * i));
    if (key) {
        memcpy(out + length, key, 4);
        length += 4;
    }
    for (long i = 0; i < size; i++)
        out[length + (size_t)i] = (uint8_t)((i * 31 + 7) ^ (key ? key[i % 4] : 0));
    return length;
}

/* ---- the start ---- */

static void check_answer(const char *head)
{
    if (strncmp(head, "HTTP/1.1 101 ", 13) || !strstr(head, ACCEPT))
        fail("the handshake was refused: %.200s", head);
}
