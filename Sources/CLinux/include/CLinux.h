// Linux calls that Swift cannot see: CPU affinity and malloc's settings (macros), pidfd (no libc wrapper), the start
// time of a process, a spawn that leaves nothing of the parent behind, and syncfs. Each returns 0 or an errno value.
#pragma once

#include <stddef.h>
#include <sys/types.h>

/// Writes the cores that the calling thread may run on, ascending, and their number.
/// `capacity` is the room in `cores`; ERANGE when it is too small.
int cl_get_affinity(int *cores, int capacity, int *count) __attribute__((warn_unused_result));

/// Binds the calling thread, and every thread it starts later, to `cores`.
int cl_set_affinity(const int *cores, int count) __attribute__((warn_unused_result));

/// Sets the niceness of the calling thread (on Linux each thread has its own), inherited by those it starts.
int cl_set_nice(int nice) __attribute__((warn_unused_result));

/// Lets all threads share so many of malloc's arenas, and gives large blocks back as they are freed; by default each
/// thread may keep to itself what it once needed. Called before threads are started.
int cl_keep_little(int arenas) __attribute__((warn_unused_result));

/// Gives the system all memory back that was freed, also what lies between blocks in use. Takes some milliseconds.
void cl_give_back(void);

/// Opens a descriptor (close-on-exec) that becomes readable when the process ends, and that never
/// comes to mean another process.
int cl_pidfd_open(pid_t pid, int *descriptor) __attribute__((warn_unused_result));

/// Sends `signal` to the process that `descriptor` is bound to; ESRCH when it has gone.
int cl_pidfd_signal(int descriptor, int signal) __attribute__((warn_unused_result));

/// When the process started, in clock ticks since boot, and its state letter (`Z`: it has ended).
/// The pair (pid, start) names one process for as long as the machine is up. ESRCH when there is none.
int cl_process(pid_t pid, unsigned long long *start, char *state) __attribute__((warn_unused_result));

/// Starts `path` in a session of its own (so no terminal's signal reaches it), with default signal
/// handling, an empty signal mask, no descriptor but 0 (`/dev/null`), 1 and 2 (appended to `log`).
int cl_spawn(const char *path, char *const *arguments, char *const *environment, const char *log,
             pid_t *pid) __attribute__((warn_unused_result));

/// Writes everything that waits for the file system that `descriptor` is on: one flush for many files.
int cl_sync_file_system(int descriptor) __attribute__((warn_unused_result));
