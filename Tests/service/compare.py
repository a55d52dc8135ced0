#!/usr/bin/env python3
"""Our server and a Hummingbird server that answers the same bytes, in turns, while two workers train.

    swift build -c release --product fake-daemon
    swift build -c release --package-path Benchmarks/hummingbird
    DETNAS_FAKE_DAEMON=.build/release/fake-daemon Tests/service/compare.py

Ours answers from its store and logs each request; the peer has the answers in memory. Each round measures both, and the
one that begins changes from round to round. Needs wrk. The workers that train are two loops at nice 10, as the daemon's
are. Ratios are ours to theirs, above 1 where ours is faster.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys

from daemon import Daemon, LARGE_CHECKPOINT, ROOT, eventually

PEER = os.environ.get("PEER", str(ROOT / "Benchmarks/hummingbird/.build/release/Peer"))

def rss(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def requests_a_second(url, clients, seconds):
    out = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])


def megabytes_a_second(url):
    out = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{speed_download}", url],
                         capture_output=True, text=True, check=True).stdout
    status, speed = out.split()
    assert status == "200", out
    return float(speed) / 1e6


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--mebibytes", type=int, default=256)
    options = options.parse_args()
    if not os.path.exists(PEER):
        sys.exit(f"there is no {PEER}; see the top of this file")
    total = options.mebibytes << 20
    processes = []
    with Daemon() as daemon:
        try:
            _, made = daemon.submit(1, LARGE_CHECKPOINT % (total, total))
            id = made["id"]
            assert daemon.ended(id, 120)["state"] == "succeeded"
            checkpoint = daemon.get(f"/v1/checkpoints?job={id}")["data"][0]
            folder = daemon.folder / "peer"
            folder.mkdir()
            ours = {"healthz": "/healthz", "job": f"/v1/jobs/{id}", "file": checkpoint["links"]["content"]}
            for name in ["healthz", "job"]:
                subprocess.run(["curl", "-sS", "-o", folder / f"{name}.json", daemon.url + ours[name]], check=True)
            content, = daemon.folder.glob(f"runs/{id}/epoch-1/checkpoints/*")
            os.link(content, folder / "file.bin")
            port = daemon.port + 1
            peer = subprocess.Popen([PEER, str(port), str(folder)])
            processes.append(peer)
            theirs = {name: f"http://127.0.0.1:{port}/{name}.{'bin' if name == 'file' else 'json'}" for name in ours}
            eventually(lambda: subprocess.run(["curl", "-sfo", "/dev/null", theirs["healthz"]]).returncode == 0, what="the peer")
            for _ in range(2):
                processes.append(subprocess.Popen(["nice", "-n", "10", "sh", "-c", "while :; do :; done"]))
            rows = [(f"{name}, c={c}", name, lambda url, c=c: requests_a_second(url, c, options.seconds), "requests/s")
                    for name in ["healthz", "job"] for c in [1, 32, 256]]
            rows.append((f"file of {options.mebibytes} MiB", "file", megabytes_a_second, "MB/s"))
            found = {row[0]: [] for row in rows}
            for round in range(options.rounds):
                for title, name, measure, _ in rows:
                    pair = {}
                    for url in sorted([daemon.url + ours[name], theirs[name]], reverse=round % 2 == 1):
                        pair[url == theirs[name]] = measure(url)
                    found[title].append((pair[False], pair[True]))
            print(f"{options.rounds} rounds; ratio of ours to Hummingbird's, median (least to greatest); medians of both")
            for title, _, _, unit in rows:
                ratios = [mine / other for mine, other in found[title]]
                mine, other = (statistics.median(column) for column in zip(*found[title]))
                print(f"{title:20} {statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
                      f"{mine:8.0f} {other:8.0f} {unit}")
            print(f"peak memory, MiB: ours {rss(daemon.process.pid):.0f}, Hummingbird's {rss(peer.pid):.0f}")
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
