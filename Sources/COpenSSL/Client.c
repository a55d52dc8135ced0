// A client of TLS on a socket that waits. Whom it speaks to is always looked at.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "COpenSSL.h"
#include "explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// OpenSSL's own way to a socket would end the program with SIGPIPE when the server has left.

static int socket_of(BIO *bio) { return (int)(intptr_t)BIO_get_data(bio); }

static int write_socket(BIO *bio, const char *bytes, int count) {
    ssize_t sent;
    do sent = send(socket_of(bio), bytes, (size_t)count, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return (int)sent;
}

static int read_socket(BIO *bio, char *bytes, int count) {
    ssize_t got;
    do got = recv(socket_of(bio), bytes, (size_t)count, 0);
    while (got < 0 && errno == EINTR);
    return (int)got;
}

static long control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method == NULL) return;
    BIO_meth_set_write(method, write_socket);
    BIO_meth_set_read(method, read_socket);
    BIO_meth_set_ctrl(method, control);
}

static int attach(SSL *session, int socket) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (bio == NULL) return 0;
    BIO_set_data(bio, (void *)(intptr_t)socket);
    BIO_set_init(bio, 1);
    SSL_set_bio(session, bio, bio);
    return 1;
}

SSL_CTX *copenssl_client(const char *authorities, char *reason) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) goto failed;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (authorities == NULL) {
        if (SSL_CTX_set_default_verify_paths(context) != 1) goto failed;
        return context;
    }
    if (SSL_CTX_load_verify_locations(context, authorities, NULL) != 1) goto failed;
    // What is in the file is trusted, also where it was signed by something else.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return context;
failed:
    copenssl_explain(reason);
    SSL_CTX_free(context);
    return NULL;
}

/// Names the server to itself and to the one who looks at its certificate.
static int expect(SSL *session, const char *host) {
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1;
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

/// What a failed call met, with the reason.
static int meet(SSL *session, int result, int system, char *reason) {
    int error = SSL_get_error(session, result);
    if (error == SSL_ERROR_ZERO_RETURN) return COPENSSL_ENDED;
    if (ERR_peek_error() != 0) {
        switch (ERR_GET_REASON(ERR_peek_error())) {
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: break;
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_UNEXPECTED_MESSAGE:
            copenssl_explain(reason);
            return COPENSSL_NO_TLS;
        default:
            copenssl_explain(reason);
            return COPENSSL_FAILED;
        }
        ERR_clear_error();
        system = 0;
    }
    int is_silence = system == EAGAIN || system == EWOULDBLOCK;
    snprintf(reason, COPENSSL_REASON_SIZE, "%s", system == 0 ? "the connection was cut off"
             : is_silence ? "nothing came for too long" : strerror(system));
    return COPENSSL_CUT;
}

SSL *copenssl_connect(SSL_CTX *context, int socket, const char *host, int *fault, char *reason) {
    static const unsigned char protocols[] = "\x08http/1.1";
    ERR_clear_error();
    *fault = COPENSSL_FAILED;
    SSL *session = SSL_new(context);
    if (session == NULL || !attach(session, socket) || !expect(session, host)
        || SSL_set_alpn_protos(session, protocols, sizeof protocols - 1) != 0) {
        copenssl_explain(reason);
        goto failed;
    }
    errno = 0;
    int result = SSL_connect(session);
    if (result == 1) return session;
    int system = errno;
    long doubt = SSL_get_verify_result(session);
    if (doubt == X509_V_OK) {
        *fault = meet(session, result, system, reason);
        goto failed;
    }
    ERR_clear_error();
    int is_name = doubt == X509_V_ERR_HOSTNAME_MISMATCH || doubt == X509_V_ERR_IP_ADDRESS_MISMATCH;
    *fault = is_name ? COPENSSL_WRONG_NAME : COPENSSL_UNTRUSTED;
    snprintf(reason, COPENSSL_REASON_SIZE, "%s", X509_verify_cert_error_string(doubt));
failed:
    SSL_free(session);
    return NULL;
}

int64_t copenssl_receive(SSL *session, void *bytes, size_t count, char *reason) {
    ERR_clear_error();
    errno = 0;
    size_t got = 0;
    int result = SSL_read_ex(session, bytes, count, &got);
    return result == 1 ? (int64_t)got : meet(session, result, errno, reason);
}

int copenssl_send(SSL *session, const void *bytes, size_t count, char *reason) {
    if (count == 0) return 0;
    ERR_clear_error();
    errno = 0;
    size_t sent = 0;
    int result = SSL_write_ex(session, bytes, count, &sent);
    return result == 1 ? 0 : meet(session, result, errno, reason);
}
