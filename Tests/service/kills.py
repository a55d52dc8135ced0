#!/usr/bin/env python3
"""kill -9 of the daemon, of a worker, or of both, at each step of a job's life.

    Tests/service/kills.py                a kill at every place: 54 of them
    Tests/service/kills.py --rounds 4     216 kills
    Tests/service/kills.py --seed 7 --only pause

Each round submits a job, kills at one place, starts the daemon again where it died, and drives the job to its end. After
that: the job is there once and has ended as it should; its events are numbered 1, 2, 3, ... without a gap; those that
anybody was shown before the kill are the same now; every whole line that a worker wrote is an event once; every
checkpoint is listed once and has its digest. Beside the rounds runs a witness, one long job whose worker outlives all of
them; it is held to the same. Moments follow from the seed; the machine's speed has a say in them too.
"""

import argparse
import hashlib
import http.client
import json
import random
import threading
import time

from daemon import Daemon, eventually, job

VICTIMS = ["daemon", "worker", "both"]

# Named places in the worker: each is passed once before the kill, and once again after it.
POINTS = [
    "begin", "before-metric", "torn-metric", "after-metric",
    "before-checkpoint.json", "after-checkpoint.json", "before-checkpoint.created", "after-checkpoint.created",
    "before-result.json", "after-result.json",
]

# `at` strikes at its point, once in the life of a job. What is torn is completed where the worker lives on.
STRIKER = r"""
at() { [ "$1" = %(point)s ] && mkdir "$run/struck" 2>/dev/null && strike; return 0; }
strike() { local daemon; daemon=$(<"$run/../../daemon.pid"); kill -9 %(victims)s; }
eval "plain_$(declare -f put)"
put() { at before-$1; plain_put "$@"; at after-$1; }
eval "plain_$(declare -f event)"
event() {
  at before-$1
  if [ torn-$1 = %(point)s ] && mkdir "$run/struck" 2>/dev/null; then
    local line; line=$(printf '{"ts":"%%(%%Y-%%m-%%dT%%H:%%M:%%S)T.000Z","type":"%%s","data":%%s}' -1 "$1" "$2")
    printf '%%s' "${line:0:30}" >> "$dir/events.jsonl"; strike; printf '%%s\n' "${line:30}" >> "$dir/events.jsonl"
  else
    plain_event "$@"
  fi
  at after-$1
}
at begin
"""
WORK = r"""
for n in 1 2 3; do event metric '{"step":'$n',"loss":0.5}'; nap; done
checkpoint early 3 supernet
for n in 4 5 6; do event metric '{"step":'$n',"loss":0.4}'; nap; done
checkpoint final 6 supernet
result
"""
WAITING = r"""
event metric '{"step":1,"loss":0.5}'
until_told
checkpoint final 6 supernet
result
"""
MANY = r"""
for n in 1 2 3 4 5 6 7 8; do checkpoint s$n $n supernet; done
checkpoint final 9 supernet
result
"""
WITNESS = r"""
n=0
while [ ! -e "$run/go" ]; do n=$((n + 1)); event metric '{"step":'$n'}'; nap; done
result
"""


def striking(point, victim):
    victims = {"daemon": "$daemon", "worker": "$$", "both": "$daemon $$"}[victim]
    return STRIKER % {"point": point, "victims": victims}


class Follower:
    """Remembers what a client of the event stream has been shown."""

    def __init__(self, daemon, id):
        self.seen = []
        self.connection = daemon.connect()
        self.connection.request("GET", f"/v1/jobs/{id}/events", headers={"Accept": "application/x-ndjson"})
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                if line.endswith(b"\n") and line.strip():
                    self.seen.append(json.loads(line))
        except (OSError, http.client.HTTPException):
            pass

    def close(self):
        self.thread.join(timeout=10)
        self.connection.close()
        return self.seen


class Matrix:
    def __init__(self, daemon, seed):
        self.daemon = daemon
        self.random = random.Random(seed)
        self.number = 0
        self.kills = dict.fromkeys(VICTIMS, 0)
        self.unanswered = 0
        self.jobs = set()

    # Striking

    def strike(self, victim, id):
        self.kills[victim] += 1
        acts = {"daemon": [self.daemon.kill], "worker": [lambda: self.daemon.kill_workers(id)]}
        acts["both"] = acts["daemon"] + acts["worker"]
        for act in self.random.sample(acts[victim], len(acts[victim])):
            act()

    def revive(self):
        if self.daemon.process is None or self.daemon.process.poll() is not None:
            self.daemon.kill()
            self.daemon.start()

    def harried(self, victim, id, method, path, body=None, headers={}):
        """Sends a request and strikes about when it is worked on. The status is None where no answer came."""
        answers = []

        def ask():
            try:
                answers.append(self.daemon.send(method, path, body, headers))
            except (OSError, http.client.HTTPException):
                answers.append((None, None))

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(self.random.uniform(0, self.random.choice([0.002, 0.01, 0.04])))
        self.strike(victim, id)
        thread.join()
        self.revive()
        self.unanswered += answers[0][0] is None
        return answers[0]

    # What a round begins with

    def submit(self, shell):
        self.number += 1
        status, found = self.daemon.submit(self.number, shell, name=f"round {self.number}")
        assert status == 201, found
        self.jobs.add(found["id"])
        return found["id"]

    def state(self, id):
        return self.daemon.get(f"/v1/jobs/{id}")["state"]

    def at_work(self, shell=WAITING):
        """A job whose worker has told something and waits for `go`."""
        id = self.submit(shell)
        eventually(lambda: any(e["type"] == "metric" for e in self.daemon.events(id)), what=f"the start of {id}")
        return id

    def tell(self, id):
        (self.daemon.folder / f"runs/{id}/go").touch()

    def insist(self, id, verb, answer, done, body=None):
        """What was acknowledged holds; what was not is asked for again."""
        status, content = answer
        if status is None:
            status, content = self.daemon.send("POST", f"/v1/jobs/{id}/{verb}", body)
            if status == 409:
                assert content["state"] in done, content
                return
        assert status in (200, 202), (status, content)

    # The rounds

    def point(self, victim, point):
        id = self.submit(striking(point, victim) + WORK)
        follower = Follower(self.daemon, id)
        if victim == "worker":
            eventually((self.daemon.folder / f"runs/{id}/struck").exists, what=f"{point} of {id}")
        else:
            self.daemon.process.wait(timeout=20)
        self.kills[victim] += 1
        self.revive()
        self.check(id, "succeeded", follower)

    def submitting(self, victim):
        self.number += 1
        seed, name, key = self.number, f"round {self.number}", {"Idempotency-Key": f"key-{self.number}"}
        self.daemon.behave(seed, WORK)
        first, content = self.harried(victim, "", "POST", "/v1/jobs", job(seed, name), key)
        status, again = self.daemon.send("POST", "/v1/jobs", job(seed, name), key)
        assert status == 201, again
        assert first is None or content["id"] == again["id"], (content, again)
        self.jobs.add(again["id"])
        self.check(again["id"], "succeeded")

    def starting(self, victim):
        id = self.submit(WORK)
        time.sleep(self.random.uniform(0, self.random.choice([0.01, 0.05, 0.2])))
        self.strike(victim, id)
        self.revive()
        self.check(id, "succeeded")

    def pausing(self, victim):
        id = self.at_work()
        follower = Follower(self.daemon, id)
        answer = self.harried(victim, id, "POST", f"/v1/jobs/{id}/pause")
        self.insist(id, "pause", answer, [])
        eventually(lambda: self.state(id) == "paused", what=f"the pause of {id}")
        self.tell(id)
        assert self.daemon.send("POST", f"/v1/jobs/{id}/resume")[0] == 202
        self.check(id, "succeeded", follower)

    def writing_to_pause(self, victim):
        id = self.at_work(striking("before-checkpoint.json", victim) + WAITING)
        try:
            self.daemon.send("POST", f"/v1/jobs/{id}/pause")
        except (OSError, http.client.HTTPException):
            pass
        if victim == "worker":
            eventually((self.daemon.folder / f"runs/{id}/struck").exists, what=f"the pause of {id}")
        else:
            self.daemon.process.wait(timeout=20)
        self.kills[victim] += 1
        self.revive()
        eventually(lambda: self.state(id) == "paused", what=f"the pause of {id}")
        self.tell(id)
        assert self.daemon.send("POST", f"/v1/jobs/{id}/resume")[0] == 202
        self.check(id, "succeeded")

    def resuming(self, victim):
        id = self.at_work()
        assert self.daemon.send("POST", f"/v1/jobs/{id}/pause")[0] == 202
        eventually(lambda: self.state(id) == "paused", what=f"the pause of {id}")
        self.tell(id)
        answer = self.harried(victim, id, "POST", f"/v1/jobs/{id}/resume")
        self.insist(id, "resume", answer, ["succeeded"])
        self.check(id, "succeeded")

    def retrying(self, victim):
        id = self.submit('[ "$attempt" = 1 ] && fail bad_data false\n' + WORK)
        assert self.daemon.ended(id)["state"] == "failed"
        answer = self.harried(victim, id, "POST", f"/v1/jobs/{id}/retry")
        self.insist(id, "retry", answer, ["queued", "running", "succeeded"])
        self.check(id, "succeeded")

    def cancelling(self, victim):
        id = self.at_work()
        mode = {"mode": self.random.choice(["graceful", "now"])}
        answer = self.harried(victim, id, "POST", f"/v1/jobs/{id}/cancel", mode)
        self.insist(id, "cancel", answer, [], mode)
        self.check(id, "cancelled")

    def deleting(self, victim):
        id = self.submit(WORK)
        before = self.check(id, "succeeded")
        status, _ = self.harried(victim, id, "DELETE", f"/v1/jobs/{id}")
        assert status in (None, 204), status
        if self.daemon.send("GET", f"/v1/jobs/{id}")[0] == 200:
            assert status is None, "deleted, and there again"
            assert self.daemon.events(id) == before
            assert self.daemon.send("DELETE", f"/v1/jobs/{id}")[0] == 204
        assert self.daemon.send("GET", f"/v1/jobs/{id}")[0] == 404
        assert not (self.daemon.folder / f"runs/{id}").exists(), f"{id} left its folder"
        self.jobs.remove(id)

    # Files that the daemon removes or takes in: struck while it does.

    def retaining(self, victim):
        """Of eight checkpoints two are to stay; what goes, goes with its file and is told once."""
        self.number += 1
        self.daemon.behave(self.number, MANY)
        request = job(self.number, f"round {self.number}") | {"retention": {"checkpoints": 2}}
        status, found = self.daemon.send("POST", "/v1/jobs", request)
        assert status == 201, found
        id = found["id"]
        self.jobs.add(id)
        eventually(lambda: self.state(id) == "succeeded", what=f"the end of {id}")
        # It begins a tenth of a second after that.
        time.sleep(self.random.uniform(0.08, 0.16))
        self.strike(victim, id)
        self.revive()
        eventually(lambda: self.listed(id) == ["final", "s8"], what=f"the retention of {id}")
        events = self.check(id, "succeeded")
        self.check_files(id, events)

    def deleting_a_checkpoint(self, victim):
        id = self.submit(MANY)
        self.check(id, "succeeded")
        first = self.daemon.get(f"/v1/checkpoints?job={id}&limit=500")["data"][-1]
        place = f"/v1/checkpoints/{first['id']}"
        status, _ = self.harried(victim, id, "DELETE", place)
        assert status in (None, 204), status
        if self.daemon.send("GET", place)[0] == 200:
            assert status is None, "deleted, and there again"
            assert self.daemon.send("DELETE", place)[0] == 204
        assert self.daemon.send("GET", place)[0] == 404
        events = self.check(id, "succeeded")
        self.check_files(id, events)

    def uploading(self, victim):
        content = self.random.randbytes(self.random.choice([1000, 1 << 20, 8 << 20]))
        digest = hashlib.sha256(content).hexdigest()
        asked = {"name": f"upload-{self.random.random()}", "bytes": len(content), "sha256": digest}
        key = {"Idempotency-Key": asked["name"]}
        first, told = self.harried(victim, "", "POST", "/v1/uploads", asked, key)
        status, made = self.daemon.send("POST", "/v1/uploads", asked, key)
        assert status == 201 and (first is None or told["id"] == made["id"]), (told, made)
        place = f"/v1/uploads/{made['id']}"
        kind = {"Content-Type": "application/octet-stream"}
        status, _ = self.harried(victim, "", "PUT", place, content, kind)
        assert status in (None, 200), status
        if self.daemon.get(place)["state"] == "waiting":
            assert status is None, "stored, and not there"
            assert self.daemon.send("PUT", place, content, kind)[0] == 200
        folder = self.daemon.folder / "uploads"
        assert hashlib.sha256((folder / made["id"]).read_bytes()).hexdigest() == digest
        assert self.daemon.send("DELETE", place)[0] == 204
        assert not list(folder.iterdir()), f"left: {list(folder.iterdir())}"

    def listed(self, id):
        return sorted(c["name"] for c in self.daemon.get(f"/v1/checkpoints?job={id}&limit=500")["data"])

    def check_files(self, id, events):
        """The files are those of the list, and what is not there any more was told once."""
        listed = {c["name"] for c in self.daemon.get(f"/v1/checkpoints?job={id}&limit=500")["data"]}
        files = {path.name for path in (self.daemon.folder / f"runs/{id}").glob("epoch-*/checkpoints/*")}
        assert files == {f"{name}.safetensors" for name in listed}, (files, listed)
        told = {kind: [e["data"]["name"] for e in events if e["type"] == kind]
                for kind in ["checkpoint.created", "checkpoint.deleted"]}
        assert sorted([*told["checkpoint.deleted"], *listed]) == sorted(told["checkpoint.created"]), told

    # What must be true then

    def check(self, id, state, follower=None):
        """Waits for the end of a job and looks at all that is known of it."""
        found = self.daemon.ended(id)
        assert found["state"] == state, found
        events = self.daemon.events(id)
        assert [e["seq"] for e in events] == list(range(1, len(events) + 1)), f"a gap in {id}"
        assert found["lastSeq"] == len(events), found["lastSeq"]
        # What is removed of an ended job is told behind its end.
        assert [e["type"] for e in events if e["type"] != "checkpoint.deleted"][-1] == "job.end"
        seen = follower.close() if follower else []
        assert events[:len(seen)] == seen, f"{id}: what was shown has changed"
        kinds = ["metric", "checkpoint.created"]
        told = [(e["type"], mark(e["data"])) for e in events if e["type"] in kinds]
        assert told == self.written(id), f"{id}: {told} {self.written(id)}"
        listed = self.daemon.get(f"/v1/checkpoints?job={id}&limit=500")["data"]
        assert len({c["id"] for c in listed}) == len(listed)
        for checkpoint in listed:
            status, content = self.daemon.send("GET", f"/v1/checkpoints/{checkpoint['id']}/content")
            assert status == 200 and hashlib.sha256(content).hexdigest() == checkpoint["sha256"], checkpoint
        if state == "succeeded" and "checkpointId" in found["outputs"]:
            assert [c["final"] for c in listed].count(True) == 1, listed
        return events

    def written(self, id):
        """What workers wrote, in order: a line counts when it is whole."""
        lines = []
        epochs = (self.daemon.folder / f"runs/{id}").glob("epoch-*")
        for epoch in sorted(epochs, key=lambda path: int(path.name.split("-")[1])):
            path = epoch / "events.jsonl"
            if path.exists():
                lines += path.read_text().split("\n")[:-1]
        return [(line["type"], mark(line["data"])) for line in map(json.loads, lines)]


def mark(data):
    return data.get("path") or data["step"]


def cells():
    for victim in VICTIMS:
        for point in POINTS:
            yield f"{point} {victim}", lambda m, v=victim, p=point: m.point(v, p)
        for step in ["starting", "pausing", "writing_to_pause", "resuming", "retrying", "cancelling"]:
            yield f"{step} {victim}", lambda m, v=victim, s=step: getattr(m, s)(v)
    for step in ["submitting", "deleting", "retaining", "deleting_a_checkpoint", "uploading"]:
        yield f"{step} daemon", lambda m, s=step: getattr(m, s)("daemon")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="places whose name has this in it")
    options = options.parse_args()
    begun = time.monotonic()
    with Daemon() as daemon:
        matrix = Matrix(daemon, options.seed)
        witness = matrix.submit(WITNESS)
        eventually(lambda: daemon.events(witness, 10), what="the witness")
        process = daemon.workers(witness)
        places = [cell for cell in cells() if options.only in cell[0]]
        for _ in range(options.rounds):
            for name, round in matrix.random.sample(places, len(places)):
                try:
                    round(matrix)
                except BaseException:
                    print(f"failed at {name}, round {matrix.number}, seed {options.seed}")
                    raise
        assert daemon.workers(witness) == process, "the witness was started twice"
        matrix.tell(witness)
        events = matrix.check(witness, "succeeded")
        listed, after = [], ""
        while after is not None:
            page = daemon.get(f"/v1/jobs?limit=500{after and '&after=' + after}")
            listed += [found["id"] for found in page["data"]]
            after = page["nextCursor"]
        assert sorted(listed) == sorted(matrix.jobs), "a job is lost or doubled"
        assert not daemon.workers(), "a worker outlived its job"
        print(f"{sum(matrix.kills.values())} kills ({', '.join(f'{n} {v}' for v, n in matrix.kills.items())}), "
              f"{matrix.unanswered} requests cut off unanswered, {daemon.started} starts of the daemon; "
              f"{len(listed)} jobs, none lost, doubled or stuck; the witness told {len(events)} events; "
              f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
