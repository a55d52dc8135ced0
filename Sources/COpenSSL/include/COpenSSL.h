// TLS through OpenSSL, for a server on sockets that never wait and for a client on one that does: what Swift cannot see
// of it, as plain functions.

#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COPENSSL_WANTS_INPUT = -1,
    COPENSSL_WANTS_OUTPUT = -2,
    /// The peer said that nothing more comes, or left.
    COPENSSL_ENDED = -3,
    COPENSSL_FAILED = -4,
    /// The first bytes were those of a request without TLS; nothing was answered.
    COPENSSL_PLAIN_HTTP = -5,
    /// What a client met.
    COPENSSL_UNTRUSTED = -6,
    COPENSSL_WRONG_NAME = -7,
    COPENSSL_NO_TLS = -8,
    /// The connection ended without a word, or nothing came for too long.
    COPENSSL_CUT = -9,
};

/// Which of the files was at fault.
enum { COPENSSL_CERTIFICATE, COPENSSL_KEY, COPENSSL_AUTHORITIES, COPENSSL_NO_FILE };

#define COPENSSL_REASON_SIZE 256

/// TLS 1.2 and 1.3 with the certificate, its chain and its key, from PEM files. With `authorities` a
/// client must show a certificate of one of these. NULL with the file at fault and the reason.
__attribute__((warn_unused_result))
SSL_CTX *copenssl_server(const char *certificate, const char *key, const char *authorities,
                         int *fault, char *reason);

/// From when until when the first certificate of a PEM file is valid, in seconds since 1970. False with the reason.
__attribute__((warn_unused_result))
int copenssl_validity(const char *certificate, int64_t *from, int64_t *until, char *reason);

/// A session on a connected socket, which stays the caller's. It keeps its context alive.
__attribute__((warn_unused_result))
SSL *copenssl_session(SSL_CTX *context, int socket);

/// 0 when it is done.
__attribute__((warn_unused_result))
int copenssl_handshake(SSL *session);

/// At most one record, so that whatever is not given out stays in the socket, where epoll sees it: `count`
/// has to be at least 16,384.
__attribute__((warn_unused_result))
int64_t copenssl_read(SSL *session, void *bytes, size_t count);

/// As much as the socket takes. After COPENSSL_WANTS_OUTPUT the same bytes must be offered again,
/// at any address, with any others behind them.
__attribute__((warn_unused_result))
int64_t copenssl_write(SSL *session, const void *bytes, size_t count);

/// Tells the peer that nothing more comes. 0 when that is sent; not to be called after a failure.
__attribute__((warn_unused_result))
int copenssl_finish(SSL *session);

// The client

/// TLS 1.2 and 1.3, for whom servers must show a certificate that leads to one in the file `authorities`; NULL: to one
/// that this machine trusts. NULL with the reason.
__attribute__((warn_unused_result))
SSL_CTX *copenssl_client(const char *authorities, char *reason);

/// A session on a connected socket, which stays the caller's, with the server called `host`, a name or an address. NULL
/// with what went wrong and the reason.
__attribute__((warn_unused_result))
SSL *copenssl_connect(SSL_CTX *context, int socket, const char *host, int *fault, char *reason);

/// Waits for bytes. COPENSSL_ENDED when the server said that nothing more comes; below that with the reason.
__attribute__((warn_unused_result))
int64_t copenssl_receive(SSL *session, void *bytes, size_t count, char *reason);

/// All of the bytes. Below 0 with the reason.
__attribute__((warn_unused_result))
int copenssl_send(SSL *session, const void *bytes, size_t count, char *reason);
