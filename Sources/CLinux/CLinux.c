// Thin: each function is one system call, or the few lines that a macro hides.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { maximum_cores = 8192 };

int cl_get_affinity(int *cores, int capacity, int *count) {
    cpu_set_t *set = CPU_ALLOC(maximum_cores);
    if (!set) return ENOMEM;
    size_t size = CPU_ALLOC_SIZE(maximum_cores);
    CPU_ZERO_S(size, set);
    int error = sched_getaffinity(0, size, set) == 0 ? 0 : errno;
    *count = 0;
    for (int core = 0; !error && core < maximum_cores; core++) {
        if (!CPU_ISSET_S(core, size, set)) continue;
        if (*count == capacity) error = ERANGE;
        else cores[(*count)++] = core;
    }
    CPU_FREE(set);
    return error;
}

int cl_set_affinity(const int *cores, int count) {
    cpu_set_t *set = CPU_ALLOC(maximum_cores);
    if (!set) return ENOMEM;
    size_t size = CPU_ALLOC_SIZE(maximum_cores);
    CPU_ZERO_S(size, set);
    int error = count > 0 ? 0 : EINVAL;
    for (int i = 0; i < count; i++) {
        if (cores[i] < 0 || cores[i] >= maximum_cores) error = EINVAL;
        else CPU_SET_S(cores[i], size, set);
    }
    if (!error && sched_setaffinity(0, size, set) != 0) error = errno;
    CPU_FREE(set);
    return error;
}

int cl_set_nice(int nice) { return setpriority(PRIO_PROCESS, 0, nice) == 0 ? 0 : errno; }

int cl_pidfd_open(pid_t pid, int *descriptor) {
    long result = syscall(SYS_pidfd_open, pid, 0);
    if (result < 0) return errno;
    *descriptor = (int)result;
    return 0;
}

int cl_pidfd_signal(int descriptor, int signal) {
    return syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0) == 0 ? 0 : errno;
}

int cl_process(pid_t pid, unsigned long long *start, char *state) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno == ENOENT ? ESRCH : errno;
    ssize_t length = read(file, text, sizeof text - 1);
    int error = length < 0 ? errno : 0;
    close(file);
    if (error) return error;
    text[length] = 0;
    // The name, in parentheses, may hold blanks and parentheses itself: the fields follow the last one.
    char *fields = strrchr(text, ')');
    if (!fields) return EIO;
    // After the name: state is field 3, the start time field 22 (proc(5)).
    int found = sscanf(fields + 1,
                       " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                       state, start);
    return found == 2 ? 0 : EIO;
}

int cl_spawn(const char *path, char *const *arguments, char *const *environment, const char *log,
             pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (!error) error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                          POSIX_SPAWN_SETSIGDEF);
    if (!error) error = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

void cl_give_back(void) { malloc_trim(0); }

int cl_keep_little(int arenas) {
    // Both are fixed by being set; else a large block that is freed once lets malloc keep such blocks from then on.
    return mallopt(M_ARENA_MAX, arenas) == 1 && mallopt(M_MMAP_THRESHOLD, 128 << 10) == 1 &&
                   mallopt(M_TRIM_THRESHOLD, 128 << 10) == 1
               ? 0
               : EINVAL;
}

int cl_sync_file_system(int descriptor) { return syncfs(descriptor) == 0 ? 0 : errno; }
