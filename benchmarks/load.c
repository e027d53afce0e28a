/* The load of the benchmarks: keeps N WebSocket messages in flight on each of C connections, checks and counts the
 * echoes, and prints a line of JSON. It connects to a server or, given a listener, is the server of clients that
 * echo what it sends. Linux only (epoll, the CPU clock of another process).
 *
 * Frames to a server are all the same, masked, and so are its echoes, unmasked. Nothing is built while the clock
 * runs, and one memcmp checks every byte of what one read brought. Echoes of a client differ in their masking
 * keys; they are unmasked first. A compressed message comes from a file. Its first echoes go to another file, for
 * whoever can inflate them, and all further ones must be as the last of these.
 */
#include "client.h"

static const uint8_t NO_KEY[4];
enum { COMPRESSED_TEXT = 0xc1, LEARNED = 4 }; /* FIN, RSV1, text; how many echoes are learned from */

/* Options, each `name=value` on the command line. */
static long port, listener; /* where a server listens, or the descriptor of a socket to which clients connect */
static long pid;            /* whose CPU time is read */
static long bare;           /* no handshake and no frames: the very bytes come back */
static long spin;           /* never sleep: the server then does not pay for waking us */
static long hold;           /* wait for the end of input once all are connected */
static long tls;
static const char *deflated; /* the file of a compressed payload, "" if frames are not compressed */
static long size, inflight, connection_count; /* size: of a payload, bytes */
static long messages;       /* 0: run for a time */
static double warmup, seconds;

struct connection {
    struct stream stream;
    bool wants_out;      /* EPOLLOUT is asked for */
    size_t offset;       /* of the next byte to send, within a frame */
    size_t unsent;       /* bytes of the frames in flight that the kernel has not taken */
    size_t echoed;       /* bytes of the current echo that have come */
    uint8_t key[4];      /* of the current echo, as much of it as has come */
    long in_flight;
    long oldest;         /* index in sent_at of the message whose echo comes next */
    uint64_t *sent_at;   /* a ring of `inflight` times */
};

static struct connection *connections;
static uint8_t *frames;    /* `inflight` frames, one behind the other */
static size_t frame_size;
static uint8_t *echoes;    /* what comes back, from any byte of an echo on for READ_SIZE bytes */
static size_t echo_size, echo_header;
static bool masked_echoes; /* each with a key of its own (zeroes in `echoes`) */
static uint8_t input[READ_SIZE];

static int epoll;
static uint64_t to_send, in_flight; /* messages */
static uint64_t echoed;             /* bytes */

/* ---- streams ---- */

static uint8_t *payload_of(const char *name, long *length)
{
    uint8_t *payload = allocate(READ_SIZE);
    FILE *file = fopen(name, "rb");
    if (!file || !(*length = (long)fread(payload, 1, READ_SIZE, file)))
        fail("cannot read %s: %s", name, strerror(errno));
    fclose(file);
    return payload;
}

static void prepare_echoes(long of_size, const uint8_t *key)
{
    echoes = allocate(READ_SIZE + 2 * ((size_t)of_size + 14));
    echo_header = put_frame(echoes, of_size, key);
    echo_size = echo_header + (size_t)of_size;
}

static void repeat_echo(void)
{
    for (size_t filled = echo_size; filled < READ_SIZE + echo_size; filled += echo_size)
        memcpy(echoes + filled, echoes, echo_size);
}

static void prepare_streams(void)
{
    const uint8_t *ours = listener ? NULL : KEY, *theirs = listener ? NO_KEY : NULL;
    uint8_t *payload = *deflated ? payload_of(deflated, &size) : NULL;
    if (bare)
        theirs = ours;
    masked_echoes = theirs == NO_KEY;

    frames = allocate((size_t)inflight * ((size_t)size + 14));
    frame_size = put_frame(frames, size, ours) + (size_t)size;
    if (payload) {
        frames[0] = COMPRESSED_TEXT;
        unmask(frames + frame_size - size, payload, (size_t)size, KEY, 0);
    } else {
        prepare_echoes(size, theirs);
        repeat_echo();
    }
    for (size_t i = 1; i < (size_t)inflight; i++)
        memcpy(frames + i * frame_size, frames, frame_size);
}

/* ---- connections ---- */

static void shake_hands(struct stream *stream)
{
    char head[HEAD_SIZE], response[HEAD_SIZE];
    if (!listener)
        stream_write_head(stream, *deflated ? REQUEST_DEFLATE : REQUEST);
    stream_read_head(stream, head);
    if (listener) {
        if (!answer(head, response))
            fail("that is no opening handshake: %.200s", head);
        stream_write_head(stream, response);
    } else {
        check_answer(head);
        if (*deflated && !strcasestr(head, "permessage-deflate"))
            fail("the server does not compress");
    }
}

static void read_all(struct stream *stream, uint8_t *to, size_t wanted)
{
    for (size_t done = 0; done < wanted;) {
        ssize_t count = stream_read(stream, to + done, wanted - done);
        if (count <= 0)
            fail("no echo came: %s", count ? strerror(errno) : "end of stream");
        done += (size_t)count;
    }
}

/* Has a message echoed, and makes its echo what all echoes are. */
static void learn_echo(struct stream *stream, FILE *file)
{
    uint8_t head[4];
    if (stream_write(stream, frames, frame_size) != (ssize_t)frame_size)
        fail("cannot send a message: %s", strerror(errno));
    read_all(stream, head, 2);
    if (head[0] != COMPRESSED_TEXT || head[1] > 126)
        fail("0x%02x 0x%02x is not the start of a short compressed text", head[0], head[1]);
    if (head[1] == 126)
        read_all(stream, head + 2, 2);
    free(echoes);
    prepare_echoes(head[1] == 126 ? head[2] << 8 | head[3] : head[1], NULL);
    memcpy(echoes, head, echo_header);
    read_all(stream, echoes + echo_header, echo_size - echo_header);
    if (fwrite(echoes + echo_header, 1, echo_size - echo_header, file) != echo_size - echo_header)
        fail("cannot write an echo: %s", strerror(errno));
}

/* Brings the compression of a connection to where each echo refers to the one before, and is the same. The first
 * echoes go to a file, each with the end of a message behind it.
 */
static void learn_echoes(struct stream *stream)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.echo", deflated);
    FILE *file = fopen(name, "wb");
    if (!file)
        fail("cannot write %s: %s", name, strerror(errno));
    for (int i = 0; i < LEARNED; i++) {
        learn_echo(stream, file);
        fwrite("\0\0\xff\xff", 1, 4, file);
    }
    fclose(file);
    repeat_echo();
}

static void open_connection(struct connection *self)
{
    int one = 1, fd = listener ? accept((int)listener, NULL, NULL) : connected_socket(port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    stream_open(&self->stream, fd);
    if (!bare)
        shake_hands(&self->stream);
    if (*deflated)
        learn_echoes(&self->stream);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    self->sent_at = allocate((size_t)inflight * sizeof *self->sent_at);
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, self);
}

/* Says goodbye and waits for the peer's end of stream, so that the next run finds it idle. */
static void close_connection(struct connection *self)
{
    static const uint8_t MASKED[] = {0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};
    static const uint8_t UNMASKED[] = {0x88, 0x02, 1000 >> 8, 1000 & 0xff};
    const uint8_t *goodbye = listener ? UNMASKED : MASKED;
    ssize_t count, length = listener ? sizeof UNMASKED : sizeof MASKED;
    int fd = self->stream.fd;

    fcntl(fd, F_SETFL, 0);
    if (!bare && stream_write(&self->stream, goodbye, (size_t)length) != length)
        fail("cannot send a Close: %s", strerror(errno));
    stream_end(&self->stream);
    do
        count = read(fd, input, sizeof input);
    while (count > 0);
    if (count < 0 && errno != ECONNRESET)
        fail("the peer did not end the connection after we did: %s", strerror(errno));
    stream_close(&self->stream);
}

static void flush(struct connection *self)
{
    if (self->unsent) {
        ssize_t count = stream_write(&self->stream, frames + self->offset, self->unsent);
        if (count < 0 && errno != EAGAIN)
            fail("write: %s", strerror(errno));
        if (count > 0) {
            self->unsent -= (size_t)count;
            self->offset = (self->offset + (size_t)count) % frame_size;
        }
    }
    if (self->wants_out != (self->unsent > 0)) {
        self->wants_out = self->unsent > 0;
        watch(epoll, EPOLL_CTL_MOD, self->stream.fd, EPOLLIN | (self->wants_out ? EPOLLOUT : 0), self);
    }
}

/* ---- messages ---- */

/* Sends up to the wanted number in flight, in one write. */
static void refill(struct connection *self, uint64_t time)
{
    for (; to_send && self->in_flight < inflight; self->in_flight++, in_flight++, to_send--) {
        self->sent_at[(self->oldest + self->in_flight) % inflight] = time;
        self->unsent += frame_size;
    }
    flush(self);
}

static void check_bytes(size_t from, size_t at, size_t count)
{
    const uint8_t *came = input + from, *expected = echoes + at;
    size_t i = 0;
    if (!memcmp(came, expected, count))
        return;
    while (came[i] == expected[i])
        i++;
    fail("byte %zu of an echo is 0x%02x, not 0x%02x", (at + i) % echo_size, came[i], expected[i]);
}

/* Checks masked echoes: a header byte by byte, then what has come of the payload at once. */
static void check_masked(struct connection *self, size_t count)
{
    size_t at = self->echoed, key_at = echo_header - 4, step;
    for (size_t done = 0; done < count; done += step, at = (at + step) % echo_size) {
        step = 1;
        if (at < key_at) {
            check_bytes(done, at, 1);
        } else if (at < echo_header) {
            self->key[at - key_at] = input[done];
        } else {
            step = count - done < echo_size - at ? count - done : echo_size - at;
            unmask(input + done, input + done, step, self->key, at - echo_header);
            check_bytes(done, at, step);
        }
    }
}

/* Returns whether more may have come already that epoll does not know of. */
static bool receive(struct connection *self)
{
    ssize_t count = stream_read(&self->stream, input, sizeof input);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0)
        fail("the peer dropped the connection: %s", count ? strerror(errno) : "end of stream");
    echoed += (size_t)count;
    if (masked_echoes)
        check_masked(self, (size_t)count);
    else
        check_bytes(0, self->echoed, (size_t)count);

    uint64_t time = now();
    long complete = (long)((self->echoed + (size_t)count) / echo_size);
    self->echoed = (self->echoed + (size_t)count) % echo_size;
    if (complete > self->in_flight)
        fail("more echoes than messages");
    for (long i = 0; i < complete; i++) {
        latencies[latency_count++ % KEPT] = time - self->sent_at[self->oldest];
        self->oldest = (self->oldest + 1) % inflight;
    }
    self->in_flight -= complete;
    in_flight -= (uint64_t)complete;
    refill(self, time);
    return self->stream.tls && count == sizeof input;
}

/* ---- the run ---- */

struct snapshot {
    uint64_t time, server, echoed;
};

static struct snapshot take_snapshot(void)
{
    return (struct snapshot){.time = now(), .server = cpu_of(pid), .echoed = echoed};
}

static void serve_events(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, spin ? 0 : -1);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(connection);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            while (receive(connection))
                ;
    }
}

/* Big messages on many connections come back in waves: the warm-up, and what is measured after it, last until
 * each connection can have had an echo. */
static void run(void)
{
    uint64_t least = (uint64_t)connection_count * echo_size, enough = least;
    bool warm = false;
    struct snapshot from = take_snapshot(), to = from;

    to_send = messages ? (uint64_t)messages : UINT64_MAX;
    for (long i = 0; i < connection_count; i++)
        refill(&connections[i], now());
    uint64_t next = now() + (uint64_t)(warmup * 1e9);
    while (in_flight) {
        serve_events();
        if (messages || !to_send || now() < next || echoed < enough)
            continue;
        to = take_snapshot();
        if (warm) {
            to_send = 0;
            continue;
        }
        warm = true;
        latency_count = 0;
        from = to;
        next = from.time + (uint64_t)(seconds * 1e9);
        enough = echoed + least;
    }
    if (messages)
        to = take_snapshot();
    /* Part of a message counts as that part: big ones on many connections come back piece by piece. */
    report((double)(to.echoed - from.echoed) / (double)echo_size, to.time - from.time, to.server - from.server);
}

int main(int argc, char **argv)
{
    (void)argc;
    port = atol(option(argv, "port"));
    listener = atol(option(argv, "listener"));
    pid = atol(option(argv, "pid"));
    bare = atol(option(argv, "bare"));
    spin = atol(option(argv, "spin"));
    hold = atol(option(argv, "hold"));
    tls = atol(option(argv, "tls"));
    deflated = option(argv, "deflated");
    size = atol(option(argv, "size"));
    inflight = atol(option(argv, "inflight"));
    connection_count = atol(option(argv, "connections"));
    messages = atol(option(argv, "messages"));
    warmup = atof(option(argv, "warmup"));
    seconds = atof(option(argv, "seconds"));

    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is a write that fails */
    prepare_streams();
    if (tls)
        stream_use_tls();
    epoll = epoll_create1(0);
    connections = allocate((size_t)connection_count * sizeof *connections);
    for (long i = 0; i < connection_count; i++)
        open_connection(&connections[i]);
    if (hold) {
        puts("connected");
        fflush(stdout);
        getchar();
    }
    run();
    for (long i = 0; i < connection_count; i++)
        close_connection(&connections[i]);
    return 0;
}
