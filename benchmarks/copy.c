/* A proxy that copies bytes between its visitors and the upstream and knows nothing of frames: the floor of what a
 * proxy costs. What one side does not take waits, and the other is not read meanwhile.
 */
#include "server.h"

struct side {
    int fd; /* -1 at the end: nothing is freed, for an event that has come may name it */
    struct side *other;
    const uint8_t *waiting; /* for this side, in `memory` */
    size_t size;            /* of that */
    uint8_t memory[READ_SIZE];
};

static long upstream; /* its port */
static uint8_t input[READ_SIZE];

static void add_side(struct side *self, struct side *other, int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    self->fd = fd;
    self->other = other;
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, self);
}

static void welcome(int listener)
{
    struct side *sides = allocate(2 * sizeof *sides);
    add_side(&sides[0], &sides[1], accept(listener, NULL, NULL));
    add_side(&sides[1], &sides[0], connected_socket(upstream));
}

/* A side is read while nothing waits for the other. */
static void ask(struct side *self)
{
    watch(epoll, EPOLL_CTL_MOD, self->fd, (self->other->size ? 0 : EPOLLIN) | (self->size ? EPOLLOUT : 0), self);
}

/* Writes what fits of `data`, which is `waiting` or `input`; the rest waits. False if the side has gone. */
static bool put(struct side *self, const uint8_t *data, size_t size)
{
    ssize_t count = write(self->fd, data, size);
    if (count < 0 && errno != EAGAIN)
        return false;
    size_t before = self->size, done = count > 0 ? (size_t)count : 0;
    self->size = size - done;
    self->waiting = before ? data + done : memcpy(self->memory, data + done, self->size);
    if ((self->size > 0) != (before > 0)) {
        ask(self);
        ask(self->other);
    }
    return true;
}

static bool copy(struct side *self)
{
    ssize_t count = read(self->fd, input, READ_SIZE);
    return count > 0 ? put(self->other, input, (size_t)count) : count < 0 && errno == EAGAIN;
}

static void serve(void *watched, uint32_t events)
{
    struct side *self = watched;
    if (self->fd < 0)
        return;
    bool good = !(events & EPOLLOUT) || put(self, self->waiting, self->size);
    if (good && (events & ~EPOLLOUT) && !self->other->size)
        good = copy(self);
    if (!good) {
        close(self->fd);
        close(self->other->fd);
        self->fd = self->other->fd = -1;
    }
}

int main(int argc, char **argv)
{
    upstream = atol(option(argv, "--upstream"));
    (void)argc;
    run_server(welcome, serve);
}
