/* The load of `python -m benchmarks http`: one GET request at a time on each of C connections, for answers with a
 * body of a known size and bytes.
 */
#include "client.h"

/* Options, each `name=value` on the command line. */
static long port, pid; /* of the proxy */
static long spin;      /* never sleep: the proxy then does not pay for waking us */
static long size, connection_count; /* size: of a body, bytes */
static long messages;  /* requests in all; 0: run for a time */
static double warmup, seconds;

struct connection {
    int fd;
    size_t head_size;  /* of what has come of a head */
    uint64_t left;     /* bytes of the body that are to come; 0: a head is */
    uint64_t sent_at;
    char head[HEAD_SIZE];
};

static struct connection *connections;
static char request[HEAD_SIZE];
static uint8_t input[READ_SIZE], expected[READ_SIZE + BODY_PERIOD];
static int epoll;
static uint64_t to_send, in_flight; /* requests */
static uint64_t received;           /* bytes of bodies */

/* The headers are those of a browser. */
static void prepare(void)
{
    snprintf(request, sizeof request,
             "GET /%ld HTTP/1.1\r\n"
             "Host: 127.0.0.1:%ld\r\n"
             "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
             "Accept: */*\r\n"
             "Accept-Language: en-US,en;q=0.5\r\n"
             "Accept-Encoding: gzip, deflate, br, zstd\r\n"
             "Referer: http://127.0.0.1:%ld/\r\n"
             "Connection: keep-alive\r\n"
             "Cookie: session=0123456789abcdef0123456789abcdef\r\n\r\n",
             size, port, port);
    put_body(expected, sizeof expected);
}

static void ask(struct connection *self)
{
    if (!to_send)
        return;
    to_send--;
    in_flight++;
    self->sent_at = now();
    if (write(self->fd, request, strlen(request)) != (ssize_t)strlen(request))
        fail("cannot send a request: %s", strerror(errno));
}

static void check_head(const char *head)
{
    static const char LENGTH[] = "\r\nContent-Length:";
    const char *length = strcasestr(head, LENGTH);
    if (strncmp(head, "HTTP/1.1 200 ", 13) || !length || atol(length + strlen(LENGTH)) != size)
        fail("that is not the answer: %.500s", head);
}

/* Takes bytes of the body at `data`. */
static void take(struct connection *self, const void *data, size_t count)
{
    if (count > self->left)
        fail("more came than the answer");
    if (memcmp(data, expected + ((uint64_t)size - self->left) % BODY_PERIOD, count))
        fail("the body is not the upstream's");
    self->left -= count;
    received += count;
    if (self->left)
        return;
    latencies[latency_count++ % KEPT] = now() - self->sent_at;
    in_flight--;
    ask(self);
}

static void take_head(struct connection *self, size_t count)
{
    self->head_size += count;
    self->head[self->head_size] = 0;
    char *end = strstr(self->head, "\r\n\r\n");
    if (!end) {
        if (self->head_size == HEAD_SIZE - 1)
            fail("the head of the answer does not end");
        return;
    }
    end += 4;
    count = (size_t)(self->head + self->head_size - end);
    check_head(self->head);
    self->head_size = 0;
    self->left = (uint64_t)size;
    take(self, end, count);
}

static void receive(struct connection *self)
{
    void *to = self->left ? input : (void *)(self->head + self->head_size);
    ssize_t count = read(self->fd, to, self->left ? READ_SIZE : HEAD_SIZE - 1 - self->head_size);
    if (count <= 0)
        fail("the peer dropped the connection: %s", count ? strerror(errno) : "end of stream");
    if (self->left)
        take(self, input, (size_t)count);
    else
        take_head(self, (size_t)count);
}

static void serve_events(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, spin ? 0 : -1);
    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
}

/* Runs for a time, and until so many bytes have come. */
static void run_for(double duration, uint64_t bytes)
{
    uint64_t end = now() + (uint64_t)(duration * 1e9), enough = received + bytes;
    while (now() < end || received < enough)
        serve_events();
}

int main(int argc, char **argv)
{
    (void)argc;
    port = atol(option(argv, "port"));
    pid = atol(option(argv, "pid"));
    spin = atol(option(argv, "spin"));
    size = atol(option(argv, "size"));
    connection_count = atol(option(argv, "connections"));
    messages = atol(option(argv, "messages"));
    warmup = atof(option(argv, "warmup"));
    seconds = atof(option(argv, "seconds"));
    if (size < 1 || atol(option(argv, "inflight")) != 1)
        fail("a body has bytes, and a connection has one request in flight");

    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is a write that fails */
    prepare();
    epoll = epoll_create1(0);
    connections = allocate((size_t)connection_count * sizeof *connections);
    to_send = messages ? (uint64_t)messages : UINT64_MAX;
    for (long i = 0; i < connection_count; i++) {
        connections[i].fd = connected_socket(port);
        watch(epoll, EPOLL_CTL_ADD, connections[i].fd, EPOLLIN, &connections[i]);
        ask(&connections[i]);
    }
    if (!messages)
        run_for(warmup, 0);
    latency_count = 0;
    uint64_t time = now(), cpu = cpu_of(pid), before = received;
    if (!messages)
        /* Each connection can have had an answer. */
        run_for(seconds, (uint64_t)(connection_count * size));
    while (messages && in_flight)
        serve_events();
    /* Part of an answer counts as that part. */
    report((double)(received - before) / (double)size, now() - time, cpu_of(pid) - cpu);
    return 0;
}
