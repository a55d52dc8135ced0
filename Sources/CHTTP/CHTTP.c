#define _GNU_SOURCE
#include "CHTTP.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(CHTTP_IN == EPOLLIN && CHTTP_OUT == EPOLLOUT, "epoll's own numbers");
_Static_assert(CHTTP_ERR == EPOLLERR && CHTTP_HUP == EPOLLHUP, "epoll's own numbers");
_Static_assert(CHTTP_RDHUP == EPOLLRDHUP, "epoll's own numbers");

#define OR_ERRNO(call) ((call) < 0 ? -errno : 0)

static int64_t counted(ssize_t result) { return result < 0 ? -errno : result; }

int chttp_epoll(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? -errno : epoll;
}

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return OR_ERRNO(epoll_ctl(epoll, operation, descriptor, &event));
}

int chttp_watch(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, token);
}

int chttp_rewatch(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, token);
}

int chttp_unwatch(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

int chttp_wait(int epoll, struct chttp_event *events, int capacity, int milliseconds) {
    struct epoll_event ready[256];
    int count = epoll_wait(epoll, ready, capacity < 256 ? capacity : 256, milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        events[i].token = ready[i].data.u64;
        events[i].events = ready[i].events;
    }
    return count;
}

int chttp_wakeup(void) {
    int wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wakeup < 0 ? -errno : wakeup;
}

int chttp_wake(int wakeup) {
    uint64_t one = 1;
    return OR_ERRNO(write(wakeup, &one, sizeof one));
}

int chttp_calm(int wakeup) {
    uint64_t count;
    return OR_ERRNO(read(wakeup, &count, sizeof count));
}

int chttp_accept(int listener, struct sockaddr_storage *peer) {
    socklen_t length = sizeof *peer;
    int socket = accept4(
        listener, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return -errno;
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

int64_t chttp_send(int socket, const void *bytes, size_t count, int more) {
    return counted(send(socket, bytes, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

int64_t chttp_receive(int socket, void *bytes, size_t count) {
    return counted(recv(socket, bytes, count, 0));
}

int64_t chttp_sendfile(int socket, int file, int64_t offset, size_t count) {
    off_t from = offset;
    return counted(sendfile(socket, file, &from, count));
}

int chttp_is_cached(int file, int64_t offset, int64_t count) {
    for (int64_t at = offset; at < offset + count; at += 65536) {
        char byte;
        struct iovec place = {.iov_base = &byte, .iov_len = 1};
        if (preadv2(file, &place, 1, at, RWF_NOWAIT) < 0 && errno == EAGAIN) return 0;
    }
    return 1;
}

void chttp_warm(int file, int64_t offset, int64_t count) {
    char bytes[65536];
    while (count > 0) {
        size_t step = count < (int64_t)sizeof bytes ? (size_t)count : sizeof bytes;
        ssize_t got = pread(file, bytes, step, offset);
        if (got <= 0) return;
        offset += got;
        count -= got;
    }
}

int chttp_temporary(char *name) {
    int file = mkostemp(name, O_CLOEXEC);
    return file < 0 ? -errno : file;
}

void chttp_block_signals(void) {
    sigset_t signals;
    sigfillset(&signals);
    int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&signals, faults[i]);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}
