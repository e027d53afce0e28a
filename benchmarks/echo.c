/* A WebSocket echo server that does nothing else: the floor of what an echo costs, and the upstream of the
 * proxies. It listens on a free port of the loopback interface, prints a line of JSON, and serves until its
 * standard input ends. Linux only (epoll).
 *
 * No frame is held. What one read brought is turned into its echo where it stands (an echo is four bytes
 * shorter, for it has no key), and leaves in one write, which waits for a slow reader.
 */
#include "wire.h"

enum { HEADER_SIZE = 14, CLOSE = 8 };

struct connection {
    int fd;
    bool closing;              /* the frame that is being echoed is a Close */
    uint64_t done, left;       /* bytes of payload of that frame */
    uint8_t key[4];            /* of that frame */
    size_t kept_size;
    uint8_t kept[HEADER_SIZE]; /* a header that has come in part */
};

static int epoll;
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

/* Turns `size` bytes at `data` into their echo, in place. Returns its size. Part of a header is kept. */
static size_t turn(struct connection *self, uint8_t *data, size_t size)
{
    size_t in = 0, out = 0;
    while (in < size) {
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
    self->kept_size = size - in;
    memcpy(self->kept, data + in, self->kept_size);
    return out;
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

static void serve(struct connection *self)
{
    memcpy(input, self->kept, self->kept_size);
    ssize_t count = read(self->fd, input + self->kept_size, READ_SIZE);
    if (count > 0) {
        size_t size = turn(self, input, self->kept_size + (size_t)count);
        count = write(self->fd, input, size) == (ssize_t)size && !(self->closing && !self->left);
    }
    if (count <= 0) { /* the client has gone, or its Close was echoed */
        close(self->fd);
        free(self);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct epoll_event events[EVENTS];
    int listener = socket(AF_INET, SOCK_STREAM, 0), input_end;
    signal(SIGPIPE, SIG_IGN); /* a client that is gone is a write that fails */
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        fail("no port to listen on: %s", strerror(errno));
    epoll = epoll_create1(0);
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    watch(epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &input_end);
    printf("{\"port\": %d, \"version\": \"C on epoll\", \"build\": \"\"}\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &input_end)
                return 0;
            if (events[i].data.ptr == &listener)
                welcome(listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
