/* An HTTP server that does little else than answer `GET /N` with a body of N bytes: the upstream of the HTTP
 * proxies. A request comes whole, and a write waits for a slow reader.
 */
#include "server.h"

static uint8_t body[READ_SIZE / BODY_PERIOD * BODY_PERIOD];

static void welcome(int listener)
{
    int one = 1, fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, (void *)(intptr_t)fd);
}

static bool put(int fd, const void *data, size_t size)
{
    return write(fd, data, size) == (ssize_t)size;
}

static bool put_answer(int fd, size_t size)
{
    char head[HEAD_SIZE];
    size_t first = size < sizeof body ? size : sizeof body;
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\n"
                          "Server: c-answer\r\n"
                          "Date: Thu, 26 Nov 2026 12:00:00 GMT\r\n"
                          "Content-Type: application/json\r\n"
                          "Cache-Control: no-store\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          size);
    if (size < HEAD_SIZE - (size_t)length) {
        memcpy(head + length, body, size);
        return put(fd, head, (size_t)length + size);
    }
    bool good = put(fd, head, (size_t)length);
    for (; good && size; size -= first, first = size < first ? size : first)
        good = put(fd, body, first);
    return good;
}

static void serve(void *watched, uint32_t events)
{
    int fd = (int)(intptr_t)watched;
    char request[HEAD_SIZE];
    size_t size;
    (void)events;
    ssize_t count = read(fd, request, sizeof request - 1);
    request[count > 0 ? count : 0] = 0;
    if (sscanf(request, "GET /%zu ", &size) != 1 || !put_answer(fd, size))
        close(fd);
}

int main(void)
{
    put_body(body, sizeof body);
    run_server(welcome, serve);
}
