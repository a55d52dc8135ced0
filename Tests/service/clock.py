#!/usr/bin/env python3
"""The clock is set two days forward, three back, and forty forward while jobs train; needs a C compiler.

    Tests/service/clock.py --detnas .build/release/detnas --datasets DIR --dataset NAME

Daemon and workers have a clock that this script sets: a library loaded before theirs answers for the system's. The job
that trains ends as if nothing had been, in less running time than its limit; no event is lost or dropped for its age.
"""

import argparse
import mmap
import struct
import subprocess

from daemon import RealDaemon, eventually
from soak import training

CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int error = syscall(SYS_clock_gettime, clock, now);
    if (!error && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return error;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now) *now = time.tv_sec;
    return time.tv_sec;
}
"""


class ShiftedDaemon(RealDaemon):
    """Drops events a day after the end of their job, by a clock that `set` sets."""

    def __init__(self, program, datasets):
        super().__init__(program, datasets)
        source, self.library, stamp = (self.folder / name for name in ("clock.c", "clock.so", "clock"))
        source.write_text(CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.library, source], check=True)
        stamp.write_bytes(bytes(8))
        with open(stamp, "r+b") as file:
            self.offset = mmap.mmap(file.fileno(), 8)
        self.stamp = stamp

    def command(self):
        return ["env", f"LD_PRELOAD={self.library}", f"CLOCK_OFFSET={self.stamp}", *super().command(), "--keep-events", "1"]

    def set(self, days):
        self.offset[:] = struct.pack("q", days * 86_400)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detnas", required=True)
    options.add_argument("--datasets", required=True)
    options.add_argument("--dataset", default="classification")
    options = options.parse_args()
    with ShiftedDaemon(options.detnas, options.datasets) as daemon:
        def submit(steps):
            request = training(options.dataset, 4) | {"limits": {"maxSeconds": 600}}
            request["spec"]["training"]["steps"] = steps
            status, made = daemon.send("POST", "/v1/jobs", request)
            assert status == 201, made
            return made["id"]

        old = submit(10)
        assert daemon.ended(old, 120)["state"] == "succeeded"
        kept = daemon.events(old)
        id = submit(1000)
        eventually(lambda: len(daemon.events(id)) > 20, 60, "training")
        for days in [2, -3, 40]:
            daemon.set(days)
            before = len(daemon.events(id))
            eventually(lambda: len(daemon.events(id)) > before + 20, 60, f"news after {days} days")
            assert daemon.send("GET", "/readyz")[0] == 200
        found = daemon.ended(id, 300)
        assert found["state"] == "succeeded" and found["runningSeconds"] < 600, found
        events = daemon.events(id)
        assert [e["seq"] for e in events] == list(range(1, len(events) + 1)), "a gap"
        assert daemon.events(old) == kept, "events were dropped"
        print(f"succeeded after {found['runningSeconds']:.0f} s of running, {len(events)} events without a gap, none dropped")


if __name__ == "__main__":
    main()
