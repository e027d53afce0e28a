/* The load of the benchmarks: keeps N WebSocket messages in flight on each of C connections, counts the
 * echoes and prints one line of JSON. Linux only (epoll, the CPU clock of another process). It connects to a
 * server or, with --listener, is the server of clients that echo what they are sent; built with -DTLS it does
 * so over TLS.
 *
 * With --rate it is an open loop instead: every message has its time, on the connections in turn, and its
 * latency counts from that time, whether or not it could be sent then. So a server that stalls is charged for
 * all that should have come meanwhile. N then bounds what is in flight; what has to wait for that is counted.
 *
 * What a client sends is masked and what a server sends is not. Towards a server both directions are periodic:
 * the same masked frame again and again one way, the same unmasked frame the other way. So nothing is built
 * while the clock runs, and one memcmp against the expected stream checks the header, the length and every
 * payload byte of all that one read brought. The echoes of a client differ in their keys; they are compared
 * eight octets at a time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "stream.h"

enum { READ_SIZE = 256 * 1024, EVENTS = 64 };

/* The key and the answer to it of RFC 6455 section 1.3. */
static const char REQUEST[] = "GET / HTTP/1.1\r\n"
                              "Host: 127.0.0.1\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "\r\n";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d}, NO_MASK[4];

static struct {
    int port;         /* of the server to connect to, or */
    int listener;     /* the descriptor of a socket where clients connect, -1 for none */
    pid_t pid;        /* whose CPU time is read, 0 for nobody's */
    bool bare;        /* no handshake, and the very bytes come back */
    bool spin;        /* never sleep: the server then never pays for waking us */
    bool drop;        /* end by resetting the connections, whatever is still in flight */
    size_t size;      /* of a payload, bytes */
    unsigned connections, inflight;
    uint64_t messages; /* 0: run for a time */
    double rate;       /* messages per second over all connections, 0: as fast as echoes come */
    double warmup, seconds, timeout;
    const char *tls;  /* a folder of certificates, for a build with TLS */
    const char *suite;
} options = {.listener = -1, .size = 256, .connections = 1, .inflight = 1, .seconds = 1, .timeout = 10};

struct connection {
    struct stream stream;
    bool wants_out;      /* EPOLLOUT is asked for */
    size_t offset;       /* of the next byte to send, within a frame */
    size_t unsent;       /* bytes of the frames in flight that the kernel has not taken yet */
    size_t echoed;       /* bytes of the current echo that have come */
    uint8_t key[4];      /* of the current echo, as much of it as has come */
    uint8_t last_key[4]; /* of the echo before */
    unsigned repeats;    /* how many echoes on end had the key of the one before */
    unsigned in_flight;
    unsigned oldest;     /* index in sent_at of the message whose echo comes next */
    uint64_t *sent_at;   /* a ring of `inflight` times, those of the schedule where there is one */
    uint64_t sent;       /* messages */
};

static struct connection *connections;

static uint8_t *frames;  /* `inflight` frames one behind the other */
static size_t frame_size;
static uint8_t *echoes;  /* what comes back, from any byte of an echo on for READ_SIZE bytes */
static size_t echo_size;
static size_t echo_header; /* bytes of it */
static bool fresh_keys;  /* echoes are masked, each with a key of its own (zeroes in `echoes`) */
static uint8_t input[READ_SIZE];

static int epoll;
static uint64_t to_send, in_flight;
static uint64_t echoed, reads, writes; /* bytes, calls */

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t clock_of(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now))
        fail("clock_gettime: %s", strerror(errno));
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

static uint64_t server_cpu(void)
{
    clockid_t clock;
    if (!options.pid)
        return 0;
    int error = clock_getcpuclockid(options.pid, &clock);
    if (error)
        fail("no CPU clock of process %d: %s", (int)options.pid, strerror(error));
    return clock_of(clock);
}

/* How long the server has waited for its core since it started; 0 where the kernel does not tell. */
static uint64_t server_wait(void)
{
    char path[64];
    unsigned long long ran, waited = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)options.pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    fclose(file);
    return waited;
}

/* ---- latency: 32 buckets for each power of two, so a value is known to 3 % ---- */

enum { SUB = 32, SUB_BITS = 5 };
typedef uint64_t histogram[64 * SUB];
static histogram latencies, delays; /* delays: how late we came to what was planned */

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return (shift + 1) * SUB + (unsigned)((value >> shift) - SUB);
}

static double percentile(const histogram histogram, double share)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < 64 * SUB; i++)
        total += histogram[i];
    for (unsigned i = 0; i < 64 * SUB; i++) {
        seen += histogram[i];
        if (total && (double)seen >= share * (double)total) {
            double value = i;
            if (i >= SUB) /* the middle of the bucket */
                value = (i % SUB + SUB + 0.5) * (double)(1ull << (i / SUB - 1));
            return value / 1e9;
        }
    }
    return 0;
}

/* ---- frames, RFC 6455 section 5.2 ---- */

/* `mask` is NULL for a frame that has none. */
static size_t put_header(uint8_t *out, const uint8_t *mask)
{
    size_t size = options.size, length = 2;
    unsigned extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
    out[0] = 0x82; /* FIN, binary */
    out[1] = (uint8_t)((mask ? 0x80 : 0) | (extended == 0 ? size : extended == 2 ? 126 : 127));
    for (unsigned i = extended; i-- > 0;)
        out[length++] = (uint8_t)(size >> (8 * i));
    if (mask) {
        memcpy(out + length, mask, 4);
        length += 4;
    }
    return length;
}

static size_t put_frame(uint8_t *out, const uint8_t *mask)
{
    size_t header = put_header(out, mask);
    for (size_t i = 0; i < options.size; i++)
        out[header + i] = (uint8_t)((i * 31 + 7) ^ (mask ? mask[i % 4] : 0));
    return header + options.size;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        fail("out of memory");
    return memory;
}

static void prepare_streams(void)
{
    bool server = options.listener >= 0;
    const uint8_t *ours = server ? NULL : MASK, *theirs = server ? NO_MASK : NULL;
    if (options.bare)
        theirs = ours;
    fresh_keys = theirs == NO_MASK;

    frames = allocate(options.inflight * (options.size + 14));
    frame_size = put_frame(frames, ours);
    for (unsigned i = 1; i < options.inflight; i++)
        memcpy(frames + i * frame_size, frames, frame_size);

    echoes = allocate(READ_SIZE + 2 * (options.size + 14));
    echo_size = put_frame(echoes, theirs);
    echo_header = echo_size - options.size;
    for (size_t filled = echo_size; filled < READ_SIZE + echo_size; filled += echo_size)
        memcpy(echoes + filled, echoes, echo_size);
}

/* ---- connections ---- */

/* Reads up to the end of a head; nothing may come behind it. */
static void read_head(struct stream *stream, char *head, size_t size)
{
    size_t length = 0;
    char *end;
    do {
        ssize_t count = stream_read(stream, head + length, size - 1 - length);
        if (count <= 0)
            fail("no handshake came: %s", count ? strerror(errno) : "end of stream");
        length += (size_t)count;
        head[length] = 0;
        end = strstr(head, "\r\n\r\n");
    } while (!end && length < size - 1);
    if (!end || end[4])
        fail("the peer spoke before it was spoken to, or its handshake does not end");
}

static void write_head(struct stream *stream, const char *head)
{
    if (stream_write(stream, head, strlen(head)) != (ssize_t)strlen(head))
        fail("cannot send the handshake: %s", strerror(errno));
}

static void shake_hands_with_server(struct stream *stream)
{
    char response[4096];
    write_head(stream, REQUEST);
    read_head(stream, response, sizeof response);
    if (strncmp(response, "HTTP/1.1 101 ", 13) || !strstr(response, ACCEPT))
        fail("the handshake was refused: %.200s", response);
}

static void shake_hands_with_client(struct stream *stream)
{
    char request[4096], response[256];
    read_head(stream, request, sizeof request);
    if (!answer(request, response))
        fail("that is no opening handshake: %.200s", request);
    write_head(stream, response);
}

static int connected_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("cannot connect to port %d: %s", options.port, strerror(errno));
    return fd;
}

static int accepted_socket(void)
{
    struct pollfd listener = {.fd = options.listener, .events = POLLIN};
    if (poll(&listener, 1, (int)(options.timeout * 1000)) != 1)
        fail("no client connected within %g seconds", options.timeout);
    int fd = accept(options.listener, NULL, NULL);
    if (fd < 0)
        fail("accept: %s", strerror(errno));
    return fd;
}

static void open_connection(struct connection *self)
{
    struct timeval timeout = {.tv_sec = (time_t)options.timeout};
    int one = 1, fd = options.listener < 0 ? connected_socket() : accepted_socket();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    stream_open(&self->stream, fd);
    if (!options.bare)
        (options.listener < 0 ? shake_hands_with_server : shake_hands_with_client)(&self->stream);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    self->sent_at = allocate(options.inflight * sizeof *self->sent_at);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = self};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

/* Says goodbye and waits for the peer's end of stream, so that the next run finds it idle. */
static void close_connection(struct connection *self)
{
    static const uint8_t MASKED[] = {0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};
    static const uint8_t UNMASKED[] = {0x88, 0x02, 1000 >> 8, 1000 & 0xff};
    bool server = options.listener >= 0;
    const uint8_t *goodbye = server ? UNMASKED : MASKED;
    ssize_t count, size = server ? sizeof UNMASKED : sizeof MASKED;
    int fd = self->stream.fd;

    fcntl(fd, F_SETFL, 0);
    if (!options.bare && stream_write(&self->stream, goodbye, (size_t)size) != size)
        fail("cannot send a Close: %s", strerror(errno));
    stream_end(&self->stream);
    do
        count = read(fd, input, sizeof input);
    while (count > 0);
    if (count < 0 && errno != ECONNRESET)
        fail("the peer did not end the connection after we did: %s", strerror(errno));
    stream_close(&self->stream);
    free(self->sent_at);
}

/* Throws away what is still under way. */
static void reset_connection(struct connection *self)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(self->stream.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    stream_close(&self->stream);
    free(self->sent_at);
}

static void flush(struct connection *self)
{
    if (self->unsent) {
        ssize_t count = stream_write(&self->stream, frames + self->offset, self->unsent);
        if (count < 0 && errno != EAGAIN)
            fail("write: %s", strerror(errno));
        writes++;
        if (count > 0) {
            self->unsent -= (size_t)count;
            self->offset = (self->offset + (size_t)count) % frame_size;
        }
    }
    if (self->wants_out != (self->unsent > 0)) {
        self->wants_out = self->unsent > 0;
        struct epoll_event event = {.events = EPOLLIN | (self->wants_out ? EPOLLOUT : 0), .data.ptr = self};
        epoll_ctl(epoll, EPOLL_CTL_MOD, self->stream.fd, &event);
    }
}

/* ---- the schedule of --rate: `slots` messages, one behind the other, on the connections in turn ---- */

static uint64_t schedule_start, slots, turn, held;

static uint64_t slot_time(uint64_t slot)
{
    return slot < slots ? schedule_start + (uint64_t)((double)slot * 1e9 / options.rate) : UINT64_MAX;
}

/* When the next message of this connection is due. */
static uint64_t due(const struct connection *self)
{
    return slot_time((uint64_t)(self - connections) + self->sent * options.connections);
}

/* ---- messages ---- */

static bool may_send(const struct connection *self, uint64_t time)
{
    return to_send && self->in_flight < options.inflight && (!options.rate || due(self) <= time);
}

/* Sends what may be sent, in one write: without a schedule, up to the wanted number in flight. */
static void refill(struct connection *self, uint64_t time)
{
    while (may_send(self, time)) {
        self->sent_at[(self->oldest + self->in_flight) % options.inflight] = options.rate ? due(self) : time;
        self->in_flight++;
        self->sent++;
        in_flight++;
        to_send--;
        self->unsent += frame_size;
    }
    flush(self);
}

/* Takes the turns that have come by `time` and no later ones, so that echoes get theirs too. */
static void keep_schedule(uint64_t time)
{
    for (; slot_time(turn) <= time; turn++) {
        struct connection *connection = &connections[turn % options.connections];
        uint64_t time_of_turn = now();
        if (connection->in_flight == options.inflight)
            held++;
        else
            delays[bucket_of(time_of_turn - slot_time(turn))]++;
        refill(connection, time_of_turn);
    }
}

static void check(const struct connection *self, size_t count)
{
    if (!memcmp(input, echoes + self->echoed, count))
        return;
    size_t i = 0;
    while (input[i] == echoes[self->echoed + i])
        i++;
    fail("byte %zu of an echo is 0x%02x, not 0x%02x", (self->echoed + i) % echo_size, input[i],
         echoes[self->echoed + i]);
}

/* Whether what came is not the payload of `echoes` from its byte `position` on, under this key. */
static bool differs(const uint8_t *came, size_t position, size_t count, const uint8_t key[4])
{
    const uint8_t *expected = echoes + echo_header + position;
    uint8_t pad[8];
    uint64_t pad_word, word, wanted, difference = 0;
    size_t i = 0;
    for (unsigned k = 0; k < 8; k++)
        pad[k] = key[(position + k) % 4];
    memcpy(&pad_word, pad, 8);
    for (; i + 8 <= count; i += 8) {
        memcpy(&word, came + i, 8);
        memcpy(&wanted, expected + i, 8);
        difference |= word ^ wanted ^ pad_word;
    }
    for (; i < count; i++)
        difference |= came[i] ^ expected[i] ^ pad[i % 8];
    return difference;
}

/* Section 5.3: a fresh key for each frame. By chance it is the one before, but not twice on end. */
static void check_key(struct connection *self)
{
    self->repeats = memcmp(self->key, self->last_key, 4) ? 0 : self->repeats + 1;
    if (self->repeats > 1)
        fail("an echo has the masking key of the two before it");
    memcpy(self->last_key, self->key, 4);
}

/* `check` for echoes that are masked: a header octet by octet, then what has come of the payload at once. */
static void check_masked(struct connection *self, size_t count)
{
    size_t at = self->echoed, key_at = echo_header - 4, done = 0;
    while (done < count) {
        size_t step = 1;
        if (at < key_at) {
            if (input[done] != echoes[at])
                fail("byte %zu of an echo is 0x%02x, not 0x%02x", at, input[done], echoes[at]);
        } else if (at < echo_header) {
            self->key[at - key_at] = input[done];
            if (at == echo_header - 1)
                check_key(self);
        } else {
            step = count - done < echo_size - at ? count - done : echo_size - at;
            if (differs(input + done, at - echo_header, step, self->key))
                fail("bytes %zu to %zu of an echo are not what was sent", at, at + step - 1);
        }
        done += step;
        at = (at + step) % echo_size;
    }
}

/* True if there may be more that has come already. */
static bool receive_some(struct connection *self)
{
    ssize_t count = stream_read(&self->stream, input, sizeof input);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0)
        fail("the peer dropped the connection: %s", count ? strerror(errno) : "end of stream");
    reads++;
    echoed += (size_t)count;
    if (fresh_keys)
        check_masked(self, (size_t)count);
    else
        check(self, (size_t)count);

    uint64_t time = now();
    uint64_t complete = (self->echoed + (size_t)count) / echo_size;
    self->echoed = (self->echoed + (size_t)count) % echo_size;
    if (complete > self->in_flight)
        fail("more echoes than messages");
    for (uint64_t i = 0; i < complete; i++) {
        latencies[bucket_of(time - self->sent_at[self->oldest])]++;
        self->oldest = (self->oldest + 1) % options.inflight;
    }
    self->in_flight -= (unsigned)complete;
    in_flight -= complete;
    refill(self, time);
    return HOLDS_INPUT && count == sizeof input;
}

static void receive(struct connection *self)
{
    while (receive_some(self))
        ;
}

/* ---- the run ---- */

struct snapshot {
    uint64_t time, server, waited, own, echoed, reads, writes, held;
};

static struct snapshot take_snapshot(void)
{
    return (struct snapshot){.time = now(),
                             .server = server_cpu(),
                             .waited = server_wait(),
                             .own = clock_of(CLOCK_PROCESS_CPUTIME_ID),
                             .echoed = echoed,
                             .reads = reads,
                             .writes = writes,
                             .held = held};
}

static bool serve_events(void)
{
    struct epoll_event events[EVENTS];
    bool poll = options.spin || options.rate;
    int count = epoll_wait(epoll, events, EVENTS, poll ? 0 : (int)(options.timeout * 1000));
    if (count < 0 && errno != EINTR)
        fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(connection);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            receive(connection);
    }
    return count > 0;
}

static void put_seconds(const char *name, uint64_t from, uint64_t to)
{
    printf("\"%s\": %.9f, ", name, (double)(to - from) / 1e9);
}

static void put_count(const char *name, uint64_t count)
{
    printf("\"%s\": %llu, ", name, (unsigned long long)count);
}

/* Part of a message counts as that part: big ones on many connections come back piece by piece. */
static void report(const struct snapshot *from, const struct snapshot *to)
{
    double echoes = (double)(to->echoed - from->echoed) / (double)echo_size;
    printf("{\"messages\": %.3f, ", echoes);
    printf("\"bytes\": %.0f, ", echoes * (double)options.size);
    put_count("reads", to->reads - from->reads);
    put_count("writes", to->writes - from->writes);
    put_seconds("elapsed", from->time, to->time);
    put_seconds("server_cpu", from->server, to->server);
    put_seconds("server_wait", from->waited, to->waited);
    put_seconds("load_cpu", from->own, to->own);
    put_count("held", to->held - from->held);
    printf("\"delay99\": %.9f, ", percentile(delays, 0.99));
    printf("\"p50\": %.9f, \"p99\": %.9f, \"p999\": %.9f}\n", percentile(latencies, 0.5),
           percentile(latencies, 0.99), percentile(latencies, 0.999));
}

static void begin(void)
{
    to_send = options.messages ? options.messages : UINT64_MAX;
    schedule_start = now();
    slots = (uint64_t)(options.rate * (options.warmup + options.seconds));
    for (unsigned i = 0; i < options.connections && !options.rate; i++)
        refill(&connections[i], now());
}

static void forget_latencies(void)
{
    memset(latencies, 0, sizeof latencies);
    memset(delays, 0, sizeof delays);
}

static void fail_if_stalled(bool served, uint64_t time)
{
    static uint64_t alive;
    if (served || !in_flight || !alive)
        alive = time;
    else if (time - alive >= (uint64_t)(options.timeout * 1e9))
        fail("no echo within %g seconds, %llu messages in flight", options.timeout,
             (unsigned long long)in_flight);
}

/* Big messages on many connections come back in waves: the warm-up, and what is measured after it, last until
 * each connection can have had an echo. */
static void run(void)
{
    uint64_t least = options.rate ? 0 : options.connections * echo_size, enough = least;
    bool timed = options.messages == 0, warm = !timed, over = false;
    struct snapshot from = take_snapshot(), to;

    begin();
    uint64_t next = now() + (uint64_t)(options.warmup * 1e9);
    while (in_flight || turn < slots) {
        bool served = serve_events();
        uint64_t time = now();
        keep_schedule(time);
        fail_if_stalled(served, time);
        if (!timed || over || time < next || echoed < enough)
            continue;
        if (!warm) {
            warm = true;
            forget_latencies();
            from = take_snapshot();
            next = from.time + (uint64_t)(options.seconds * 1e9);
            enough = echoed + least;
            continue;
        }
        over = true;
        to = take_snapshot();
        if (options.drop)
            break;
        if (!options.rate) /* a schedule is kept to its end, however late */
            to_send = 0;
    }
    if (!over)
        to = take_snapshot();
    report(&from, &to);
}

static double number(const char *name, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= least))
        fail("--%s must be a number of at least %g, not '%s'", name, least, text);
    return value;
}

static void parse_options(int argc, char **argv)
{
    static const struct option LONG[] = {
        {"listener", 1, 0, 'l'}, {"tls", 1, 0, 'e'},      {"suite", 1, 0, 'u'},
        {"port", 1, 0, 'p'},     {"pid", 1, 0, 'i'},      {"bare", 0, 0, 'b'},    {"spin", 0, 0, 'x'},
        {"drop", 0, 0, 'd'},     {"rate", 1, 0, 'r'},
        {"size", 1, 0, 's'},     {"inflight", 1, 0, 'n'}, {"warmup", 1, 0, 'w'},  {"seconds", 1, 0, 't'},
        {"messages", 1, 0, 'm'}, {"timeout", 1, 0, 'o'},  {"connections", 1, 0, 'c'}, {0, 0, 0, 0}};
    int option, index;
    while ((option = getopt_long(argc, argv, "", LONG, &index)) != -1) {
        const char *name = option == '?' ? "" : LONG[index].name;
        switch (option) {
        case 'l': options.listener = (int)number(name, optarg, 0); break;
        case 'e': options.tls = optarg; break;
        case 'u': options.suite = optarg; break;
        case 'p': options.port = (int)number(name, optarg, 1); break;
        case 'i': options.pid = (pid_t)number(name, optarg, 1); break;
        case 'b': options.bare = true; break;
        case 'x': options.spin = true; break;
        case 'd': options.drop = true; break;
        case 'r': options.rate = number(name, optarg, 0.001); break;
        case 's': options.size = (size_t)number(name, optarg, 0); break;
        case 'c': options.connections = (unsigned)number(name, optarg, 1); break;
        case 'n': options.inflight = (unsigned)number(name, optarg, 1); break;
        case 'm': options.messages = (uint64_t)number(name, optarg, 1); break;
        case 'w': options.warmup = number(name, optarg, 0); break;
        case 't': options.seconds = number(name, optarg, 0.001); break;
        case 'o': options.timeout = number(name, optarg, 1); break;
        default: exit(2);
        }
    }
    if (!options.port && options.listener < 0)
        fail("--port or --listener is missing");
    if (options.rate && options.messages)
        fail("--rate goes by --seconds, not by --messages");
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is a write that fails */
    prepare_streams();
    stream_prepare(options.tls, options.suite, options.listener >= 0, READ_SIZE);
    epoll = epoll_create1(0);
    connections = allocate(options.connections * sizeof *connections);
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&connections[i]);
    run();
    for (unsigned i = 0; i < options.connections; i++)
        options.drop ? reset_connection(&connections[i]) : close_connection(&connections[i]);
    return 0;
}
