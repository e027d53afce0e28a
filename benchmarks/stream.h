/* The bytes of a connection of load.c: a socket, or TLS on it. Results and errno are those of read and write. */
#pragma once
#include "wire.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

struct stream {
    int fd;
    SSL *tls; /* NULL without TLS */
};

static SSL_CTX *stream_context;

static void stream_fail(const char *what)
{
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    fail("%s: %s", what, reason);
}

/* Speaks TLS on all connections from now on. Certificates are not verified. */
static void stream_use_tls(void)
{
    SSL_CTX *context = stream_context = SSL_CTX_new(TLS_client_method());
    /* Nothing else is offered or accepted, so that all peers use the same. */
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"))
        stream_fail("OpenSSL");
    /* Every record that was sent is counted: no echo comes before we know that its message was sent. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Many records with one read of the socket. */
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_SIZE);
}

static void stream_open(struct stream *self, int fd)
{
    self->fd = fd;
    self->tls = stream_context ? SSL_new(stream_context) : NULL;
    if (self->tls && (SSL_set_fd(self->tls, fd) != 1 || SSL_connect(self->tls) != 1))
        stream_fail("the TLS handshake failed");
}

/* The result of a read or write that moved nothing. */
static ssize_t stream_nothing(struct stream *self)
{
    switch (SSL_get_error(self->tls, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return errno ? -1 : 0;
    default:
        stream_fail("TLS");
        return -1;
    }
}

static ssize_t stream_read(struct stream *self, void *data, size_t size)
{
    size_t total = 0, count;
    if (!self->tls)
        return read(self->fd, data, size);
    do {
        if (!SSL_read_ex(self->tls, (char *)data + total, size - total, &count))
            return total ? (ssize_t)total : stream_nothing(self);
        total += count;
    } while (total < size && SSL_has_pending(self->tls));
    return (ssize_t)total;
}

static ssize_t stream_write(struct stream *self, const void *data, size_t size)
{
    size_t total = 0, count;
    if (!self->tls)
        return write(self->fd, data, size);
    for (; total < size; total += count)
        if (!SSL_write_ex(self->tls, (const char *)data + total, size - total, &count))
            return total ? (ssize_t)total : stream_nothing(self);
    return (ssize_t)total;
}

static void stream_write_head(struct stream *stream, const char *head)
{
    if (stream_write(stream, head, strlen(head)) != (ssize_t)strlen(head))
        fail("cannot send the handshake: %s", strerror(errno));
}

/* Reads up to the end of the head of an HTTP message. Nothing may come behind it. */
static void stream_read_head(struct stream *stream, char head[HEAD_SIZE])
{
    size_t length = 0;
    char *end;
    do {
        ssize_t count = stream_read(stream, head + length, HEAD_SIZE - 1 - length);
        if (count <= 0)
            fail("no handshake came: %s", count ? strerror(errno) : "end of stream");
        length += (size_t)count;
        head[length] = 0;
        end = strstr(head, "\r\n\r\n");
    } while (!end && length < HEAD_SIZE - 1);
    if (!end || end[4])
        fail("the peer spoke before it was spoken to, or its handshake does not end");
}

static void stream_end(struct stream *self)
{
    if (self->tls)
        SSL_shutdown(self->tls);
    shutdown(self->fd, SHUT_WR);
}

static void stream_close(struct stream *self)
{
    SSL_free(self->tls);
    close(self->fd);
}
