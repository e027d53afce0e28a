/* What load.c, echo.c and copy.c share. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A read brings whole segments of the loopback interface, so that what is passed on does not end in a small one. */
enum { READ_SIZE = 4 * 65483, HEAD_SIZE = 4096, EVENTS = 256 };

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        fail("out of memory");
    return memory;
}

static void watch(int epoll, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, operation, fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

static struct sockaddr_in loopback(long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int connected_socket(long port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("cannot connect to port %ld: %s", port, strerror(errno));
    return fd;
}

/* The value of `name=value` on the command line, "" without it. */
static const char *option(char **arguments, const char *name)
{
    size_t length = strlen(name);
    for (; *arguments; arguments++)
        if (!strncmp(*arguments, name, length) && (*arguments)[length] == '=')
            return *arguments + length + 1;
    return "";
}

/* XORs with a masking key whose byte `at % 4` is due first. `to` may stand before `from` in the same memory. */
static void unmask(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], size_t at)
{
    uint8_t pad[8];
    uint64_t eight, word;
    size_t i;
    for (i = 0; i < 8; i++)
        pad[i] = key[(at + i) % 4];
    memcpy(&eight, pad, 8);
    for (i = 0; i + 8 <= size; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= eight;
        memcpy(to + i, &word, 8);
    }
    for (; i < size; i++)
        to[i] = from[i] ^ pad[i % 8];
}

/* Fills memory with the first bytes of the body of an answer to a GET request. */
enum { BODY_PERIOD = 256 };
static void put_body(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(i * 31 + 7);
}

/* Writes the answer to an opening handshake (RFC 6455 section 4.2.2). False if the request has no key. */
static bool answer(const char *request, char response[HEAD_SIZE])
{
    static const char NAME[] = "\r\nSec-WebSocket-Key:";
    char key[64], accept[29];
    uint8_t digest[SHA_DIGEST_LENGTH];
    const char *header = strcasestr(request, NAME);
    if (!header || sscanf(header + strlen(NAME), " %24[A-Za-z0-9+/=]", key) != 1)
        return false;
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((uint8_t *)key, strlen(key), digest);
    EVP_EncodeBlock((uint8_t *)accept, digest, sizeof digest);
    snprintf(response, HEAD_SIZE,
             "HTTP/1.1 101 Switching Protocols\r\n"
             "Upgrade: websocket\r\n"
             "Connection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    return true;
}
