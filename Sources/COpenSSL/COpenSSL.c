#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "COpenSSL.h"

#include "explain.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void copenssl_explain(char *reason) {
    // The oldest error is the cause, later ones say who met it.
    unsigned long error = ERR_get_error();
    const char *text = error == 0 ? "unknown reason"
        : ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
        : ERR_reason_error_string(error);
    snprintf(reason, COPENSSL_REASON_SIZE, "%s", text ? text : "unknown reason");
    ERR_clear_error();
}

static int no_passphrase(char *buffer, int size, int rwflag, void *data) {
    (void)buffer, (void)size, (void)rwflag, (void)data;
    // OpenSSL's own would ask at the terminal, and wait.
    return -1;
}

static int choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *length,
                           const unsigned char *offered, unsigned int count, void *data) {
    (void)session, (void)data;
    static const unsigned char ours[] = "\x08http/1.1";
    int found = SSL_select_next_proto((unsigned char **)chosen, length, ours, sizeof ours - 1,
                                      offered, count);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_up(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                        | SSL_OP_CIPHER_SERVER_PREFERENCE
                        // Requests say how long they are: a missing goodbye cuts none of them short.
                        | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Or one call could read as long as a client sends records without content.
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    static const unsigned char name[] = "http";
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1
        && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        && SSL_CTX_set_session_id_context(context, name, sizeof name - 1) == 1;
}

static int require_client(SSL_CTX *context, const char *authorities) {
    if (SSL_CTX_load_verify_locations(context, authorities, NULL) != 1) return 0;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authorities);
    if (names == NULL) return 0;
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 1;
}

SSL_CTX *copenssl_server(const char *certificate, const char *key, const char *authorities,
                         int *fault, char *reason) {
    ERR_clear_error();
    *fault = COPENSSL_NO_FILE;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || !set_up(context)) goto failed;
    *fault = COPENSSL_CERTIFICATE;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) goto failed;
    *fault = COPENSSL_KEY;
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) goto failed;
    if (SSL_CTX_check_private_key(context) != 1) goto failed;
    *fault = COPENSSL_AUTHORITIES;
    if (authorities != NULL && !require_client(context, authorities)) goto failed;
    return context;
failed:
    copenssl_explain(reason);
    SSL_CTX_free(context);
    return NULL;
}

static int seconds(const ASN1_TIME *time, int64_t *result) {
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
    *result = (int64_t)timegm(&parts);
    return 1;
}

int copenssl_validity(const char *certificate, int64_t *from, int64_t *until, char *reason) {
    ERR_clear_error();
    int known = 0;
    X509 *found = NULL;
    BIO *file = BIO_new_file(certificate, "r");
    if (file != NULL) found = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
    if (found != NULL)
        known = seconds(X509_get0_notBefore(found), from) && seconds(X509_get0_notAfter(found), until);
    if (!known) copenssl_explain(reason);
    X509_free(found);
    BIO_free(file);
    return known;
}

SSL *copenssl_session(SSL_CTX *context, int socket) {
    ERR_clear_error();
    SSL *session = SSL_new(context);
    if (session == NULL) return NULL;
    if (SSL_set_fd(session, socket) != 1) {
        SSL_free(session);
        return NULL;
    }
    SSL_set_accept_state(session);
    return session;
}

static int code(SSL *session, int result) {
    switch (SSL_get_error(session, result)) {
    case SSL_ERROR_WANT_READ: return COPENSSL_WANTS_INPUT;
    case SSL_ERROR_WANT_WRITE: return COPENSSL_WANTS_OUTPUT;
    case SSL_ERROR_ZERO_RETURN: return COPENSSL_ENDED;
    default:
        return ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST ? COPENSSL_PLAIN_HTTP
                                                                      : COPENSSL_FAILED;
    }
}

int copenssl_handshake(SSL *session) {
    ERR_clear_error();
    int result = SSL_do_handshake(session);
    return result == 1 ? 0 : code(session, result);
}

int64_t copenssl_read(SSL *session, void *bytes, size_t count) {
    ERR_clear_error();
    size_t got = 0;
    int result = SSL_read_ex(session, bytes, count, &got);
    return result == 1 ? (int64_t)got : code(session, result);
}

int64_t copenssl_write(SSL *session, const void *bytes, size_t count) {
    size_t sent = 0;
    while (sent < count) {
        ERR_clear_error();
        size_t step = 0;
        int result = SSL_write_ex(session, (const char *)bytes + sent, count - sent, &step);
        if (result != 1) return sent > 0 ? (int64_t)sent : code(session, result);
        sent += step;
    }
    return (int64_t)sent;
}

int copenssl_finish(SSL *session) {
    ERR_clear_error();
    int result = SSL_shutdown(session);
    return result >= 0 ? 0 : code(session, result);
}
