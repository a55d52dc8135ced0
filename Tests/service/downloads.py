#!/usr/bin/env python3
"""`curl -C -` brings a checkpoint home through forced cuts, plain and over TLS.

    Tests/service/downloads.py                          64 MiB, 5 cuts
    Tests/service/downloads.py --mebibytes 2048 --cuts 20

A cut is a kill of curl, every fifth one a kill of the daemon, at offsets that follow from the seed. What has come in the
end must have the checkpoint's sha256. Twice the size is needed below TMPDIR.
"""

import argparse
import hashlib
import os
import random
import subprocess
import time

from daemon import Daemon, LARGE_CHECKPOINT

def size(path):
    return path.stat().st_size if path.exists() else 0


def download(daemon, url, path, total, cuts, rng):
    """How often it was cut."""
    # So slow that no piece is through before it can be cut.
    command = ["curl", "-sS", "-C", "-", "--limit-rate", str(total // 8), "-o", str(path), url]
    if daemon.certificate:
        command += ["--cacert", daemon.certificate[0]]
    done = 0
    for number, offset in enumerate(sorted(rng.sample(range(total // 50, total - total // 20), cuts))):
        curl = subprocess.Popen(command, stderr=subprocess.PIPE)
        while curl.poll() is None and size(path) < offset:
            time.sleep(0.005)
        if curl.poll() is None:
            done += 1
            if number % 5 == 4:
                daemon.kill()
                curl.wait(timeout=30)
                daemon.start()
            else:
                curl.kill()
        curl.communicate()
        assert size(path) < total, "it was through before the last cut"
    subprocess.run(command[:4] + command[6:], check=True, timeout=600)
    return done


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--mebibytes", type=int, default=64)
    options.add_argument("--cuts", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    total = options.mebibytes << 20
    for tls in [False, True]:
        begun = time.monotonic()
        with Daemon(tls) as daemon:
            _, made = daemon.submit(1, LARGE_CHECKPOINT % (total, total))
            assert daemon.ended(made["id"], 300)["state"] == "succeeded"
            found = daemon.get(f"/v1/checkpoints?job={made['id']}")["data"][0]
            path = daemon.folder / "download"
            url = daemon.url + found["links"]["content"]
            cuts = download(daemon, url, path, total, options.cuts, random.Random(options.seed))
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            assert size(path) == total and digest == found["sha256"], (size(path), digest, found)
            assert cuts == options.cuts, f"only {cuts} cuts"
            print(f"{'TLS' if tls else 'plain'}: {options.mebibytes} MiB through {cuts} cuts, sha256 {digest[:12]}... is right; "
                  f"server {daemon.rss():.0f} MiB; {time.monotonic() - begun:.0f} s")
            os.unlink(path)


if __name__ == "__main__":
    main()
