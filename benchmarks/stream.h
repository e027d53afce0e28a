/* What the bytes of a connection of load.c pass through: the socket itself or, built with -DTLS, OpenSSL on it.
 * `stream_read` and `stream_write` leave their result and errno as read and write do. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *format, ...); /* the program's: says why, and ends it */

#ifndef TLS

enum { HOLDS_INPUT = false }; /* whether there may be input of which epoll knows nothing */

struct stream {
    int fd;
};

static void stream_prepare(const char *folder, const char *suite, bool server, size_t read_size)
{
    (void)server, (void)read_size;
    if (folder || suite)
        fail("built without TLS");
}

static void stream_open(struct stream *self, int fd) { self->fd = fd; }

static ssize_t stream_read(struct stream *self, void *data, size_t size) { return read(self->fd, data, size); }

static ssize_t stream_write(struct stream *self, const void *data, size_t size)
{
    return write(self->fd, data, size);
}

static void stream_end(struct stream *self) { shutdown(self->fd, SHUT_WR); }

static void stream_close(struct stream *self) { close(self->fd); }

#else

#if !__has_include(<openssl/ssl.h>)
#error no OpenSSL /* what build.py looks for */
#endif
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

enum { HOLDS_INPUT = true };

struct stream {
    int fd;
    SSL *tls;
    size_t begun; /* bytes of a record that the kernel has not taken whole: OpenSSL must be asked for it again */
};

static SSL_CTX *stream_context;
static bool stream_is_server;

static void stream_fail(const char *what)
{
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    fail("%s: %s", what, reason);
}

static void stream_prepare(const char *folder, const char *suite, bool server, size_t read_size)
{
    char pem[4096];
    if (!folder || !suite)
        fail("--tls or --suite is missing");
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    /* Nothing else is offered or taken, so all peers use the same. */
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, suite))
        stream_fail("OpenSSL");
    snprintf(pem, sizeof pem, "%s/server.pem", folder);
    if (server && (SSL_CTX_use_certificate_chain_file(context, pem) != 1 ||
                   SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM) != 1))
        stream_fail(pem);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One read of the kernel for many records, where OpenSSL asks for a header and a body each time. */
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, read_size);
    stream_context = context;
    stream_is_server = server;
}

static void stream_open(struct stream *self, int fd)
{
    self->fd = fd;
    self->tls = SSL_new(stream_context);
    if (!self->tls || SSL_set_fd(self->tls, fd) != 1 ||
        (stream_is_server ? SSL_accept(self->tls) : SSL_connect(self->tls)) != 1)
        stream_fail("the TLS handshake failed");
}

/* What it means that nothing was read or written. */
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
    do {
        if (!SSL_read_ex(self->tls, (char *)data + total, size - total, &count))
            return total ? (ssize_t)total : stream_nothing(self);
        total += count;
    } while (total < size && SSL_has_pending(self->tls));
    return (ssize_t)total;
}

/* One record at a time. Given more, OpenSSL may send a record that was begun, fail to send the next one and
 * count neither: the echo of a message could then come before we know that it was sent. */
static ssize_t stream_write(struct stream *self, const void *data, size_t size)
{
    size_t total = 0, count;
    while (total < size) {
        size_t left = size - total, record = left < SSL3_RT_MAX_PLAIN_LENGTH ? left : SSL3_RT_MAX_PLAIN_LENGTH;
        if (self->begun)
            record = self->begun;
        bool sent = SSL_write_ex(self->tls, (const char *)data + total, record, &count);
        self->begun = sent ? 0 : record;
        if (!sent)
            return total ? (ssize_t)total : stream_nothing(self);
        total += record;
    }
    return (ssize_t)total;
}

static void stream_end(struct stream *self)
{
    SSL_shutdown(self->tls);
    shutdown(self->fd, SHUT_WR);
}

static void stream_close(struct stream *self)
{
    SSL_free(self->tls);
    close(self->fd);
}

#endif
