// The Linux calls that Swift cannot see (epoll, eventfd, accept4, sendfile, preadv2), as plain functions.
// Each returns what the call returns, or minus errno.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    CHTTP_IN = 0x001,
    CHTTP_OUT = 0x004,
    CHTTP_ERR = 0x008,
    CHTTP_HUP = 0x010,
    CHTTP_RDHUP = 0x2000,
};

/// One ready descriptor: the token it was watched under, and any of the flags above.
struct chttp_event {
    uint64_t token;
    uint32_t events;
};

int chttp_epoll(void);
int chttp_watch(int epoll, int descriptor, uint32_t events, uint64_t token);
int chttp_rewatch(int epoll, int descriptor, uint32_t events, uint64_t token);
int chttp_unwatch(int epoll, int descriptor);
/// Waits for at most `milliseconds` (-1: for ever). An interrupted wait reports no event.
int chttp_wait(int epoll, struct chttp_event *events, int capacity, int milliseconds);

/// A non-blocking counter that wakes whoever watches it.
int chttp_wakeup(void);
int chttp_wake(int wakeup);
int chttp_calm(int wakeup);

/// The next connection, non-blocking and closed on exec, with small writes sent at once.
int chttp_accept(int listener, struct sockaddr_storage *peer);
/// `more` says that further bytes follow at once. Never raises SIGPIPE.
int64_t chttp_send(int socket, const void *bytes, size_t count, int more);
int64_t chttp_receive(int socket, void *bytes, size_t count);
/// Raises SIGPIPE when the peer is gone: the calling thread has to block it.
int64_t chttp_sendfile(int socket, int file, int64_t offset, size_t count);

/// Whether the range can be read without waiting for the disk, as far as samples every 64 KiB tell.
int chttp_is_cached(int file, int64_t offset, int64_t count);
/// Reads the range once, so that it is in the page cache. Blocks.
void chttp_warm(int file, int64_t offset, int64_t count);

/// Makes a file for its owner alone, and replaces the six last characters of `name`, XXXXXX, by its own.
int chttp_temporary(char *name);

/// Blocks every signal on this thread, save those that a fault of the thread itself raises.
void chttp_block_signals(void);
