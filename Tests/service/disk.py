#!/usr/bin/env python3
"""A disk that fills up under a training, and then has room again; needs the right to mount a file system.

    Tests/service/disk.py --detnas .build/release/detnas --datasets DIR --dataset NAME

The data directory is a tmpfs of 48 MB. While a job trains on a set in ImageNet layout, a file takes all that is left: the
job says that its worker has ended and that it waits for the disk, whatever was readable is, new work is refused with 507.
When the file is gone the job goes on by itself and succeeds, and its events have no gap.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

from daemon import RealDaemon, eventually
from soak import training


class SmallDaemon(RealDaemon):
    """Its data directory is a file system of its own."""

    def __init__(self, program, datasets, mount):
        super().__init__(program, datasets)
        self.data = mount / "data"

    def command(self):
        return [self.program, "serve", "--data", str(self.data), "--datasets", self.datasets, "--port", str(self.port)]

    def kill_workers(self, job=""):
        subprocess.run(["pkill", "-9", "-f", f"{self.data}/runs/{job}"])


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detnas", required=True)
    options.add_argument("--datasets", required=True)
    options.add_argument("--dataset", default="classification")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as mount:
        mount = pathlib.Path(mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", mount], check=True)
        try:
            with SmallDaemon(options.detnas, options.datasets, mount) as daemon:
                run(daemon, options.dataset, mount / "filler")
        finally:
            subprocess.run(["umount", "-l", mount], check=True)


def run(daemon, dataset, filler):
    request = training(dataset, 4)
    request["spec"]["training"] |= {"steps": 400, "checkpoint": {"everySteps": 100}}
    status, made = daemon.send("POST", "/v1/jobs", request)
    assert status == 201, made
    id = made["id"]
    show = lambda: daemon.get(f"/v1/jobs/{id}")
    eventually(lambda: len(daemon.events(id)) > 10, 60, "training")
    fill(filler)
    eventually(lambda: show()["phase"] == "settling", 60, "the end of the worker")
    before = daemon.events(id)
    assert show()["waitingFor"] == ["disk"], show()
    assert daemon.send("GET", "/readyz")[0] == 503 and daemon.send("GET", "/healthz")[0] == 200
    status, refused = daemon.send("POST", "/v1/jobs", request)
    assert status == 507 and refused["code"] in ("disk_reserve", "disk_full"), refused
    time.sleep(5)
    assert show()["phase"] == "settling" and daemon.events(id) == before
    os.unlink(filler)
    found = daemon.ended(id, 300)
    assert found["state"] == "succeeded", found
    events = daemon.events(id)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1)) and events[:len(before)] == before
    causes = [e["data"]["code"] for e in events if e["type"] == "job.interrupted"]
    assert causes == ["disk_full"], causes
    print(f"the disk was full after {len(before)} events; the job went on by itself and succeeded with {len(events)}")


if __name__ == "__main__":
    main()
