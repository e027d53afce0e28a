/* A WebSocket echo server that does nothing else: the floor of what an echo costs, and the upstream of the
 * proxies.
 *
 * No frame is held. What one read brought is turned into its echo where it stands (an echo is four bytes
 * shorter, for it has no key), and leaves in one write, or in one for each frame if the argument is `each`.
 * A write waits for a slow reader.
 */
#include "server.h"

enum { HEADER_SIZE = 14, CLOSE = 8 };

struct connection {
    int fd;
    bool closing;              /* the frame that is being echoed is a Close */
    uint64_t done, left;       /* bytes of payload of that frame */
    uint8_t key[4];            /* of that frame */
    size_t kept_size;
    uint8_t kept[HEADER_SIZE]; /* a header that has come in part */
};

static bool each; /* frames are answered one at a time */
static uint8_t input[HEADER_SIZE + READ_SIZE];

/* Returns the size of the masked header at `data` (RFC 6455 section 5.2), 0 if it has not come whole. */
static size_t header_size(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned length = data[1] & 0x7f;
    size_t header = length < 126 ? 6 : length == 126 ? 8 : 14;
    return header <= size ? header : 0;
}

/* Puts the header of the echo at `to` and notes what is to come. Returns its size. */
static size_t turn_header(struct connection *self, uint8_t *to, const uint8_t *data, size_t header)
{
    size_t plain = header - 4;
    self->closing = (data[0] & 0x0f) == CLOSE;
    self->done = 0;
    self->left = plain == 2 ? data[1] & 0x7f : 0;
    for (size_t i = 2; i < plain; i++)
        self->left = self->left << 8 | data[i];
    memcpy(self->key, data + plain, 4);
    memmove(to, data, plain);
    to[1] &= 0x7f;
    return plain;
}

/* Turns bytes at `data` into their echo, in place: all, or those of one frame. Returns the size of the echo, 0 if
 * there is no more than part of a header. `*taken` tells how many bytes it is the echo of. */
static size_t turn(struct connection *self, uint8_t *data, size_t size, size_t *taken)
{
    size_t in = 0, out = 0;
    while (in < size && !(each && out && !self->left)) {
        if (!self->left) {
            size_t header = header_size(data + in, size - in);
            if (!header)
                break;
            out += turn_header(self, data + out, data + in, header);
            in += header;
        }
        size_t count = self->left < size - in ? self->left : size - in;
        unmask(data + out, data + in, count, self->key, self->done);
        in += count;
        out += count;
        self->done += count;
        self->left -= count;
    }
    *taken = in;
    return out;
}

/* Echoes `size` bytes at `data`, and keeps part of a header. False at the end: a Close, or a client that has gone. */
static bool echo(struct connection *self, uint8_t *data, size_t size)
{
    size_t taken, count;
    for (; (count = turn(self, data, size, &taken)); data += taken, size -= taken)
        if (write(self->fd, data, count) != (ssize_t)count || (self->closing && !self->left))
            return false;
    self->kept_size = size;
    memcpy(self->kept, data, size);
    return true;
}

/* Accepts a connection and answers its handshake. A client sends its request whole, and waits for the answer. */
static void welcome(int listener)
{
    char request[HEAD_SIZE], response[HEAD_SIZE];
    int one = 1, fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ssize_t count = read(fd, request, sizeof request - 1);
    request[count > 0 ? count : 0] = 0;
    if (!answer(request, response) || write(fd, response, strlen(response)) < 0) {
        close(fd);
        return;
    }
    struct connection *self = allocate(sizeof *self);
    self->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, self);
}

static void serve(void *connection, uint32_t events)
{
    struct connection *self = connection;
    (void)events;
    memcpy(input, self->kept, self->kept_size);
    ssize_t count = read(self->fd, input + self->kept_size, READ_SIZE);
    if (count <= 0 || !echo(self, input, self->kept_size + (size_t)count)) {
        close(self->fd);
        free(self);
    }
}

int main(int argc, char **argv)
{
    each = argc > 1 && !strcmp(argv[1], "each");
    run_server(welcome, serve);
}
