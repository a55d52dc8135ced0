#!/usr/bin/env python3
"""Random traffic from eight clients for some minutes: no answer of 5xx, and memory stays flat.

    Tests/service/soak.py                1 minute
    Tests/service/soak.py --minutes 60   `make soak MINUTES=60`
    Tests/service/soak.py --minutes 60 --detnas .build/release/detnas --datasets DIR --dataset NAME

The last one is a daemon whose workers train on a set in ImageNet layout, one of them all the time.

Each client reads any GET route of openapi.yaml, submits small jobs, pauses, resumes, retries, patches, cancels and deletes
them, follows their events or leaves in the middle, and sends what is no request. The server's memory is sampled each
second; the mean of the last quarter may be at most 5 % above that of the second.
"""

import argparse
import collections
import random
import re
import socket
import statistics
import threading
import time

from daemon import ROOT, Daemon, RealDaemon, job

CLIENTS = 8
JOBS = 60
SHELLS = {
    1: "event metric '{\"step\":1,\"loss\":0.5}'; checkpoint final 10 supernet; leave a.png pixels; result_left",
    2: "for n in 1 2 3 4 5 6 7 8 9; do event metric '{\"step\":'$n',\"loss\":0.5}'; nap; done; checkpoint final 9 supernet; result",
    3: "echo last words; fail bad_data false",
    4: "for ((n = 0; n < 100; n++)); do event job.progress "
       "'{\"phase\":\"training\",\"unit\":\"steps\",\"done\":'$n',\"total\":100}'; nap; done; result",
    5: "for n in 0 1 2; do event candidate.evaluated '{\"index\":'$n',\"generation\":0,\"genome\":\"1,'$n'\",\"map\":0.'$n',"
       "\"macs\":'$((n + 1))',\"params\":2}'; done; result",
}
BAD = [
    b"BREW / HTTP/9.9\r\n\r\n", b"GET /v1/jobs HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /v1/jobs HT",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
]


def get_routes():
    routes, path = [], ""
    for line in (ROOT / "openapi.yaml").read_text().splitlines():
        if found := re.match(r"  (/\S*):$", line):
            path = found[1]
        elif line == "    get:":
            routes.append(path)
    return routes


class Client(threading.Thread):
    """One of the eight, with a random generator of its own; the jobs it knows are its own too."""

    def __init__(self, daemon, number, end, statuses, make):
        super().__init__()
        self.make = make
        self.daemon_, self.end, self.statuses = daemon, end, statuses
        self.random = random.Random(number)
        self.routes = get_routes()
        self.jobs, self.checkpoints = [], ["ckpt_0"]
        self.fault = None

    def run(self):
        actions = [(self.read, 60), (self.submit, 8), (self.verb, 14), (self.patch, 3), (self.follow, 6), (self.bad, 5), (self.wrong, 4)]
        connection = self.daemon_.connect()
        try:
            while time.monotonic() < self.end:
                self.connection = connection
                act, = self.random.choices([a for a, _ in actions], [w for _, w in actions])
                act()
                time.sleep(self.random.uniform(0, 0.05))
        except Exception as error:
            self.fault = error
        connection.close()

    def send(self, method, path, body=None, headers={}):
        status, content = self.daemon_.send(method, path, body, headers, self.connection)
        self.statuses[status] += 1
        if status >= 500:
            raise AssertionError(f"{method} {path}: {status} {content}")
        return status, content

    def any_job(self):
        return self.random.choice(self.jobs) if self.jobs else "job_00000000000000000000000000"

    def read(self):
        values = {"id": self.any_job(), "name": self.random.choice(["a.png", "detnas-mini"]), "hash": "arch_0000000000000000"}
        path = self.random.choice(self.routes)
        if path.startswith("/v1/checkpoints/"):
            values["id"] = self.random.choice(self.checkpoints)
        path = re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "0"), path)
        accept = self.random.choice(["*/*", "text/event-stream", "application/x-ndjson"])
        follow = "?follow=false" if path.endswith("/events") else ""
        _, content = self.send("GET", path + follow, headers={"Accept": accept, "Accept-Encoding": self.random.choice(["gzip", "identity"])})
        if path == "/v1/checkpoints":
            self.checkpoints = [found["id"] for found in content["data"]] or self.checkpoints

    def submit(self):
        if len(self.jobs) * CLIENTS >= JOBS and not self.remove():
            return
        status, made = self.send("POST", "/v1/jobs", self.make(self.random.choice(list(SHELLS))))
        if status == 201:
            self.jobs.append(made["id"])

    def remove(self):
        """The oldest job that has ended; where none has, the oldest is told to. Whether there is one less."""
        for id in list(self.jobs):
            if self.send("DELETE", f"/v1/jobs/{id}")[0] == 204:
                self.jobs.remove(id)
                return True
        self.send("POST", f"/v1/jobs/{self.jobs[0]}/cancel", {"mode": "now"})
        return False

    def verb(self):
        self.send("POST", f"/v1/jobs/{self.any_job()}/{self.random.choice(['pause', 'resume', 'resume', 'retry', 'cancel', 'checkpoint'])}")

    def patch(self):
        self.send("PATCH", f"/v1/jobs/{self.any_job()}", {"priority": self.random.randrange(9), "name": "soaked"})

    def follow(self):
        """A stream, left in the middle."""
        connection = self.daemon_.connect(timeout=0.5)
        try:
            connection.request("GET", f"/v1/jobs/{self.any_job()}/events", headers={"Accept": "text/event-stream"})
            answer = connection.getresponse()
            self.statuses[answer.status] += 1
            answer.read(self.random.randrange(1, 2000))
        except TimeoutError:
            pass
        finally:
            connection.close()

    def bad(self):
        with socket.create_connection(("127.0.0.1", self.daemon_.port), timeout=0.5) as raw:
            try:
                raw.sendall(self.random.choice(BAD))
                raw.recv(1000)
            except (TimeoutError, OSError):
                pass

    def wrong(self):
        path, body, headers = self.random.choice([
            ("/v1/jobs", b"{", {}), ("/v1/jobs", b"a=b", {"Content-Type": "text/plain"}), ("/v1/jobs?x=1", b"{}", {}),
            ("/v1/jobs", {"kind": "x", "spec": {}}, {}), ("/v1/nothing", b"", {}), ("/v1/architectures/validate", b"[]", {}),
        ])
        self.send("POST", path, body, headers)


def training(dataset, kind):
    """What the shells do, as trainings of some seconds; 0 goes on for hours."""
    steps, rate = {0: (1_000_000, 1e-3), 1: (1, 1e-3), 2: (50, 1e-3), 3: (20, 1e9), 4: (200, 1e-3), 5: (5, 1e-3)}[kind]
    tiny = {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": width, "blocks": 1} for width in (16, 24, 32, 48)]}
    return {"kind": "supernet.pretrain", "seed": kind, "priority": 9 if kind == 0 else 0,
            "spec": {"data": {"dataset": dataset, "val": None}, "space": tiny, "image": {"size": 32}, "evaluation": {"paths": 0},
                     "training": {"steps": steps, "batch": 4, "logEverySteps": 1, "checkpoint": {"everySeconds": 5},
                                  "optimizer": {"kind": "adamw", "learningRate": rate}}}}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=1)
    options.add_argument("--detnas", help="the real program")
    options.add_argument("--datasets")
    options.add_argument("--dataset", default="classification")
    options = options.parse_args()
    statuses, memory, make = collections.Counter(), [], job
    if options.detnas:
        make = lambda kind: training(options.dataset, kind)
    with RealDaemon(options.detnas, options.datasets) if options.detnas else Daemon() as daemon:
        for seed, shell in SHELLS.items():
            daemon.behave(seed, shell)
        if options.detnas:
            status, made = daemon.send("POST", "/v1/jobs", training(options.dataset, 0))
            assert status == 201, made
        end = time.monotonic() + options.minutes * 60
        clients = [Client(daemon, number, end, statuses, make) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            memory.append(daemon.rss())
            time.sleep(1)
        faults = [client.fault for client in clients if client.fault]
        quarter = len(memory) // 4
        means = [statistics.mean(memory[n * quarter:(n + 1) * quarter]) for n in range(4)]
        jobs = daemon.get("/v1/system")["jobs"]
        print("jobs at the end: " + ", ".join(f"{count} {state}" for state, count in jobs.items()))
        print(f"{sum(statuses.values())} answers: " + ", ".join(f"{n} of {s}" for s, n in sorted(statuses.items())))
        print("MiB by quarter: " + ", ".join(f"{mean:.1f}" for mean in means) + f"; at most {max(memory):.1f}")
        assert not faults, [repr(fault)[:500] for fault in faults]
        assert means[3] <= means[1] * 1.05, "memory grew"


if __name__ == "__main__":
    main()
