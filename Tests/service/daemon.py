"""The daemon with a fake worker, started and killed by the scripts beside this one.

Python 3.11 and its standard library. The program is .build/debug/fake-daemon, or DETNAS_FAKE_DAEMON; see
Tests/FakeDaemon, and Tests/TestSupport/FakeService.swift for the words that a job's shell may use.
"""

import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A script that is ended politely ends its daemon too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
PROGRAM = os.environ.get("DETNAS_FAKE_DAEMON", str(ROOT / ".build/debug/fake-daemon"))


class Daemon:
    """Runs in a temporary folder of its own, which `with` removes; `port` stays over restarts."""

    def __init__(self, tls=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="detnas-script-"))
        (self.folder / "behaviours").mkdir()
        self.port = 0
        self.process = None
        self.log = open(self.folder / "daemon.log", "ab")
        self.certificate = self._make_certificate() if tls else None
        self.started = 0

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.kill()
        self.kill_workers()
        self.log.close()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"kept for a look: {self.folder}")

    def _make_certificate(self):
        files = [str(self.folder / name) for name in ("certificate.pem", "key.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
            check=True, capture_output=True)
        return files

    # Its life

    def start(self):
        """Starts it, again after a kill, and returns when it listens."""
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=self.log)
        (self.folder / "daemon.pid").write_text(str(self.process.pid))
        line = self.process.stdout.readline().decode()
        found = re.search(r"listens on (?:http://127.0.0.1:)?(\d+)", line)
        if not found:
            raise RuntimeError(f"the daemon does not start: {line or 'see ' + self.log.name}")
        self.port = int(found[1])
        self.started += 1
        return self

    def command(self):
        return [PROGRAM, str(self.folder), str(self.port)] + (self.certificate or [])

    def kill(self):
        """As a power cut would, but for its workers, which live on."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def stop(self):
        """Politely; the server drains."""
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process = None
        assert code == 0, f"the daemon ended with {code}"

    def workers(self, job=""):
        """The processes whose command line names a run directory of this daemon."""
        name = f"{self.folder}/runs/{job}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    if name in pathlib.Path(f"/proc/{entry}/cmdline").read_bytes():
                        found.append(int(entry))
                except OSError:
                    pass
        return found

    def kill_workers(self, job=""):
        for pid in self.workers(job):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def rss(self):
        """Resident memory of the server, MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    # What is said to it

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def connect(self, timeout=60):
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate[0])
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def send(self, method, path, body=None, headers={}, connection=None):
        """The status and the content, read as JSON where it is some."""
        own = connection or self.connect()
        try:
            data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
            headers = dict(headers)
            if data is not None:
                headers.setdefault("Content-Type", "application/json")
            own.request(method, path, data, headers)
            answer = own.getresponse()
            content = answer.read()
            if answer.getheader("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            is_json = answer.getheader("Content-Type") in ("application/json", "application/problem+json")
            return answer.status, json.loads(content) if is_json and content else content
        finally:
            if not connection:
                own.close()

    def get(self, path):
        status, content = self.send("GET", path)
        assert status == 200, f"GET {path}: {status} {content}"
        return content

    def submit(self, seed, shell, name=None, key=None):
        """Submits a job that does `shell`, and returns the status and what is answered."""
        self.behave(seed, shell)
        headers = {"Idempotency-Key": key} if key else {}
        return self.send("POST", "/v1/jobs", job(seed, name), headers)

    def behave(self, seed, shell):
        (self.folder / f"behaviours/{seed}.sh").write_text(shell)

    def ended(self, id, seconds=30):
        connection = self.connect(timeout=seconds + 30)
        status, found = self.send("GET", f"/v1/jobs/{id}?wait={seconds}s&until=terminal", connection=connection)
        connection.close()
        assert status == 200, f"{id}: {status} {found}"
        assert found["terminal"], f"{id} is still {found['state']} {found['phase']}"
        return found

    def events(self, id, after=0):
        """All events of a job after a number."""
        found = []
        while True:
            page = self.get(f"/v1/jobs/{id}/events?after={after}&limit=500")
            found += page["data"]
            if not page["hasMore"]:
                return found
            after = page["nextAfter"]


class RealDaemon(Daemon):
    """`detnas serve`, whose workers train."""

    def __init__(self, program, datasets):
        super().__init__()
        self.program, self.datasets = program, datasets

    def command(self):
        return [self.program, "serve", "--data", str(self.folder), "--datasets", self.datasets, "--port", str(self.port)]


# A checkpoint of so many random bytes, told twice.
LARGE_CHECKPOINT = r"""
path=epoch-$epoch/checkpoints/final.safetensors
head -c %d /dev/urandom > "$run/$path"
sum=$(sha256sum "$run/$path"); sum=${sum%%%% *}
made='{"name":"final","path":"'$path'","kind":"supernet","step":1,"sha256":"'$sum'","bytes":%d}'
put checkpoint.json "$made"; event checkpoint.created "${made%%\}},\"final\":false}"
result
"""


def job(seed, name=None):
    """A job's request; the fake worker looks at the seed alone."""
    return {"kind": "supernet.pretrain", "seed": seed, "name": name,
            "limits": {"maxAttempts": 100},
            "spec": {"data": {"dataset": "photos"}, "space": "detnas-mini", "training": {"steps": 10}}}


def eventually(condition, seconds=15, what="it"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come to hold within {seconds} s"
        time.sleep(0.01)
