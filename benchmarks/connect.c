/* The load of `python -m benchmarks connect`: the life of a connection, from its opening to the end of TCP. Waves
 * of C connections open, upgrade, exchange messages, and close; all of them take one step before the next. A
 * client sends a Close first and a server ends the connection first, as RFC 6455 section 7.1.1 has it.
 */
#include "client.h"
#include <poll.h>

/* Options, each `name=value` on the command line. */
static long port, pid; /* of the server */
static long bare;      /* no handshake and no frames: the very bytes come back */
static long spin;      /* never sleep: the server then does not pay for waking us */
static long size, inflight, connection_count; /* size: of a payload, bytes */
static long messages;  /* connections in all; 0: run for a time */
static double warmup, seconds;

static struct stream *streams;
static uint8_t *sent, *expected, *input; /* the messages and their echoes */
static size_t sent_size, expected_size;
static uint64_t lives;

static size_t prepare(uint8_t **messages, const uint8_t *key)
{
    uint8_t *end = *messages = allocate((size_t)inflight * ((size_t)size + 14));
    for (long i = 0; i < inflight; i++)
        end += put_frame(end, size, key) + (size_t)size;
    return (size_t)(end - *messages);
}

/* Waits for input as we were told to. */
static void await_input(struct stream *stream)
{
    struct pollfd one = {.fd = stream->fd, .events = POLLIN};
    while (spin && !(stream->tls && SSL_has_pending(stream->tls)) && poll(&one, 1, 0) == 0)
        ;
}

static ssize_t receive(struct stream *stream, uint8_t *data, size_t count)
{
    await_input(stream);
    return stream_read(stream, data, count);
}

static void open_stream(struct stream *stream)
{
    int one = 1;
    stream_open(stream, connected_socket(port));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!bare)
        stream_write_head(stream, REQUEST);
}

static void read_answer(struct stream *stream)
{
    char head[HEAD_SIZE];
    await_input(stream);
    stream_read_head(stream, head);
    check_answer(head);
}

static void send_messages(struct stream *stream)
{
    if (stream_write(stream, sent, sent_size) != (ssize_t)sent_size)
        fail("cannot send: %s", strerror(errno));
}

static void read_echoes(struct stream *stream)
{
    ssize_t count;
    for (size_t have = 0; have < expected_size; have += (size_t)count)
        if ((count = receive(stream, input + have, expected_size - have)) <= 0)
            fail("the peer dropped the connection: %s", count ? strerror(errno) : "end of stream");
    if (memcmp(input, expected, expected_size))
        fail("what comes back is no echo");
}

static void send_close(struct stream *stream)
{
    static const uint8_t CLOSE[] = {0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};
    if (bare)
        stream_end(stream);
    else if (stream_write(stream, CLOSE, sizeof CLOSE) != sizeof CLOSE)
        fail("cannot send a Close: %s", strerror(errno));
}

static void read_end(struct stream *stream)
{
    static const uint8_t CLOSE[] = {0x88, 0x02, 1000 >> 8, 1000 & 0xff};
    uint8_t end[16];
    ssize_t count;
    size_t have = 0;
    while ((count = receive(stream, end + have, sizeof end - have)) > 0)
        have += (size_t)count;
    if (count < 0)
        fail("the peer did not end the connection: %s", strerror(errno));
    if (!bare && (have != sizeof CLOSE || memcmp(end, CLOSE, sizeof CLOSE)))
        fail("the peer has not answered the Close");
    stream_close(stream);
}

static void live(long count)
{
    uint64_t start = now();
    for (long i = 0; i < count; i++)
        open_stream(&streams[i]);
    for (long i = 0; i < count && !bare; i++)
        read_answer(&streams[i]);
    for (long i = 0; i < count; i++)
        send_messages(&streams[i]);
    for (long i = 0; i < count; i++)
        read_echoes(&streams[i]);
    for (long i = 0; i < count; i++)
        send_close(&streams[i]);
    for (long i = 0; i < count; i++) {
        read_end(&streams[i]);
        latencies[latency_count++ % KEPT] = now() - start;
    }
    lives += (uint64_t)count;
}

static void live_for(double duration)
{
    uint64_t end = now() + (uint64_t)(duration * 1e9);
    do
        live(connection_count);
    while (now() < end);
}

int main(int argc, char **argv)
{
    (void)argc;
    port = atol(option(argv, "port"));
    pid = atol(option(argv, "pid"));
    bare = atol(option(argv, "bare"));
    spin = atol(option(argv, "spin"));
    size = atol(option(argv, "size"));
    inflight = atol(option(argv, "inflight"));
    connection_count = atol(option(argv, "connections"));
    messages = atol(option(argv, "messages"));
    warmup = atof(option(argv, "warmup"));
    seconds = atof(option(argv, "seconds"));

    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is a write that fails */
    if (atol(option(argv, "tls")))
        stream_use_tls();
    streams = allocate((size_t)connection_count * sizeof *streams);
    sent_size = prepare(&sent, KEY);
    expected_size = prepare(&expected, bare ? KEY : NULL);
    input = allocate(expected_size);

    if (!messages)
        live_for(warmup);
    latency_count = lives = 0;
    uint64_t time = now(), cpu = cpu_of(pid);
    if (!messages)
        live_for(seconds);
    for (long left = messages; left > 0; left -= connection_count)
        live(left < connection_count ? left : connection_count);
    report((double)lives, now() - time, cpu_of(pid) - cpu);
    return 0;
}
