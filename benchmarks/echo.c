/* A WebSocket echo server that is never the bottleneck: the upstream of the proxies, and the limit of what an
 * echo can cost. Linux only (epoll). `echo DESCRIPTOR` serves the listening socket of that number until it is
 * killed.
 *
 * No frame is ever held: what one read brought is turned into its echo where it stands (an echo is four octets
 * shorter, for it has no key), and leaves in one write. What the kernel does not take waits, and its connection
 * is not read meanwhile.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"

enum { READ_SIZE = 256 * 1024, REQUEST_SIZE = 8192, HEADER_SIZE = 14, EVENTS = 256 };
enum { CLOSE = 8, PING = 9, PONG = 10 };

struct connection {
    int fd;
    bool open;           /* the handshake is done */
    bool ended;          /* a Close was answered: what else comes is thrown away */
    size_t left;         /* bytes of payload still to come of the frame that is being echoed */
    bool closing;        /* and that frame is a Close */
    uint8_t key[4];      /* of that frame, its first octet the one that is due next */
    size_t kept_size;
    uint8_t *kept;       /* a handshake or a header that has come in part */
    size_t unsent_size;
    uint8_t *unsent;     /* what the kernel has not taken */
};

static int epoll;
static uint8_t input[REQUEST_SIZE + READ_SIZE];

static void *resized(void *memory, size_t size)
{
    memory = realloc(memory, size ? size : 1);
    if (!memory)
        err(1, "realloc");
    return memory;
}

static void watch(int operation, int fd, uint32_t events, void *connection)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, operation, fd, &event))
        err(1, "epoll_ctl");
}

static void drop(struct connection *self)
{
    close(self->fd);
    free(self->kept);
    free(self->unsent);
    free(self);
}

/* ---- frames, RFC 6455 section 5.2 ---- */

/* Eight octets at a time. `to` may stand before `from` in the same memory. */
static void unmask(uint8_t *to, const uint8_t *from, size_t size, uint8_t key[4])
{
    uint32_t half;
    memcpy(&half, key, 4);
    uint64_t pad = (uint64_t)half << 32 | half, word;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= pad;
        memcpy(to + i, &word, 8);
    }
    for (; i < size; i++)
        to[i] = from[i] ^ key[i % 4];
    uint8_t next[4];
    for (i = 0; i < 4; i++)
        next[i] = key[(size + i) % 4];
    memcpy(key, next, 4);
}

/* The octets of the masked header at `data`, 0 if it has not come whole. */
static size_t header_size(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned length = data[1] & 0x7f;
    size_t header = length < 126 ? 6 : length == 126 ? 8 : 14;
    return header <= size ? header : 0;
}

/* Puts the header of the echo at `to` and notes what is to come; `header` octets are at `data`. */
static size_t turn_header(struct connection *self, uint8_t *to, const uint8_t *data, size_t header)
{
    size_t plain = header - 4;
    unsigned opcode = data[0] & 0x0f;
    self->closing = opcode == CLOSE;
    self->left = plain == 2 ? data[1] & 0x7f : 0;
    for (size_t i = 2; i < plain; i++)
        self->left = self->left << 8 | data[i];
    memcpy(self->key, data + plain, 4);
    memmove(to, data, plain);
    to[0] = opcode == PING ? (to[0] & 0xf0) | PONG : to[0];
    to[1] &= 0x7f;
    return plain;
}

/* Turns `size` octets at `data` into their echo, in place; its size. Less than a header is kept. */
static size_t turn(struct connection *self, uint8_t *data, size_t size)
{
    size_t in = 0, out = 0;
    while (in < size && !self->ended) {
        if (!self->left) {
            size_t header = header_size(data + in, size - in);
            if (!header)
                break;
            self->ended = !(data[in + 1] & 0x80); /* section 5.1: a client must mask */
            if (self->ended)
                break;
            out += turn_header(self, data + out, data + in, header);
            in += header;
        }
        size_t count = self->left < size - in ? self->left : size - in;
        unmask(data + out, data + in, count, self->key);
        in += count;
        out += count;
        self->left -= count;
        self->ended = self->closing && !self->left;
    }
    self->kept_size = self->ended ? 0 : size - in;
    memcpy(self->kept, data + in, self->kept_size);
    return out;
}

/* ---- connections ---- */

/* Writes; what the kernel does not take is written before anything more is read. False if it is lost. */
static bool send_out(struct connection *self, const uint8_t *data, size_t size)
{
    ssize_t count = size ? write(self->fd, data, size) : 0;
    if (count < 0 && errno != EAGAIN)
        return false;
    size_t written = count > 0 ? (size_t)count : 0, before = self->unsent_size;
    uint8_t *waiting = NULL;
    self->unsent_size = size - written;
    if (self->unsent_size) {
        waiting = resized(NULL, self->unsent_size);
        memcpy(waiting, data + written, self->unsent_size);
    }
    free(self->unsent); /* not before: `data` may be in it */
    self->unsent = waiting;
    if (!before != !self->unsent_size)
        watch(EPOLL_CTL_MOD, self->fd, self->unsent_size ? EPOLLOUT : EPOLLIN, self);
    if (self->ended && !self->unsent_size)
        shutdown(self->fd, SHUT_WR);
    return true;
}

static bool shake_hands(struct connection *self, size_t size)
{
    char response[256];
    input[size] = 0;
    char *end = strstr((char *)input, "\r\n\r\n");
    if (!end) {
        self->kept_size = size;
        if (size >= REQUEST_SIZE)
            return false;
        memcpy(self->kept, input, size);
        return true;
    }
    if (!answer((char *)input, response))
        return false;
    self->open = true;
    size_t head = strlen(response), request = (size_t)(end + 4 - (char *)input);
    size_t frames = turn(self, input + request, size - request);
    if (head > request) /* so what is behind the request has to move */
        return false;
    memcpy(input + request - head, response, head);
    return send_out(self, input + request - head, head + frames);
}

static void receive(struct connection *self)
{
    memcpy(input, self->kept, self->kept_size);
    size_t room = (self->open ? READ_SIZE : REQUEST_SIZE - self->kept_size);
    ssize_t count = read(self->fd, input + self->kept_size, room);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool alive = count > 0;
    size_t size = self->kept_size + (alive ? (size_t)count : 0);
    if (alive && !self->ended)
        alive = self->open ? send_out(self, input, turn(self, input, size)) : shake_hands(self, size);
    if (!alive)
        drop(self);
}

static void welcome(int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *self = resized(NULL, sizeof *self);
        *self = (struct connection){.fd = fd, .kept = resized(NULL, REQUEST_SIZE)};
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, self);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        err(1, "accept");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: echo DESCRIPTOR");
    int listener = atoi(argv[1]);
    struct epoll_event events[EVENTS];
    signal(SIGPIPE, SIG_IGN); /* a client that is gone is a write that fails */
    epoll = epoll_create1(EPOLL_CLOEXEC);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].data.ptr == &listener)
                welcome(listener);
            else if (!connection->unsent_size)
                receive(connection);
            else if (!send_out(connection, connection->unsent, connection->unsent_size))
                drop(connection);
        }
    }
}
