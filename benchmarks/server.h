/* What echo.c and copy.c share: a server of one thread. */
#pragma once
#include "wire.h"

static int epoll;

/* Listens on a free port of the loopback interface, prints a line of JSON, and serves until standard input ends:
 * `welcome` accepts a connection and watches it, `serve` gets what was watched and its events. */
static void run_server(void (*welcome)(int listener), void (*serve)(void *watched, uint32_t events))
{
    struct sockaddr_in address = loopback(0);
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
                return;
            if (events[i].data.ptr == &listener)
                welcome(listener);
            else
                serve(events[i].data.ptr, events[i].events);
        }
    }
}
