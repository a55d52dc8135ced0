#!/usr/bin/env python3
"""schemathesis against a live daemon: every answer is as openapi.yaml says, and what it allows is taken.

    Tests/service/fuzz.py                  some hundreds of cases
    Tests/service/fuzz.py --examples 100   more than 5,000
    Tests/service/fuzz.py --url http://127.0.0.1:8080   another server, to be filled with jobs

All checks of schemathesis are on. It comes from PyPI, in the version below, into .build; where that cannot be, this says
so and ends well. What a schema cannot say is said here: ids that exist, waits that end, and which routes may refuse with
422 what is well formed (a spec is judged by the data at hand, an architecture by its space).
"""

import argparse
import re
import subprocess
import sys
import venv

from daemon import ROOT, Daemon

VERSION = "4.32.5"
SETTINGS = """
[parameters]
wait = "0.1s"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429, 431]
"""
# Streams end and are read where there are jobs to read.
PARAMETERS = {
    "getEvents": {"follow": "false"},
    "getAllEvents": {"follow": "false"},
    "getSeries": {"from": 0},
    "getSeriesTable": {"from": 0},
    "sampleSpace": {"maxMacs": 4_000_000_000},
}
JUDGED = ["submitJob", "submitPipeline", "retrainArchitecture", "evaluateArchitecture", "validateArchitecture", "retryJob",
          "importCheckpoint", "announceUpload", "patchJob", "joinSearch", "putUpload", "addDataset",
          "checkDataset"]


def schemathesis():
    """The path of its command, or None and why."""
    folder = ROOT / f".build/schemathesis-{VERSION}"
    command = folder / "bin/st"
    if not command.exists():
        try:
            venv.create(folder, with_pip=True)
            subprocess.run([folder / "bin/pip", "install", "-q", f"schemathesis=={VERSION}"], check=True,
                           capture_output=True, text=True)
        except (subprocess.CalledProcessError, OSError) as error:
            return None, getattr(error, "stderr", None) or str(error)
    return command, ""


def furnish(daemon):
    """A job with something of everything; returns the ids by operation."""
    _, made = daemon.submit(1, r"""
        event job.progress '{"phase":"training","unit":"steps","done":3,"total":10}'
        for n in 1 2 3; do event metric '{"step":'$n',"loss":0.5}'; done
        event candidate.evaluated '{"index":0,"generation":0,"genome":"1,2","map":0.5,"macs":1,"params":2}'
        checkpoint final 10 supernet
        leave a.png pixels
        result_left
        """)
    id = made["id"]
    assert daemon.ended(id)["state"] == "succeeded"
    checkpoint = daemon.get(f"/v1/checkpoints?job={id}")["data"][0]["id"]
    status, dataset = daemon.send("POST", "/v1/datasets", {"name": "photos"})
    assert status == 201, dataset
    return {
        "getCheckpoint": {"id": checkpoint}, "getCheckpointContent": {"id": checkpoint},
        "verifyCheckpoint": {"id": checkpoint},
        "getFile": {"id": id, "name": "a.png"},
        **{name: {"id": dataset["id"]} for name in ["getDataset", "listDatasetProblems", "checkDataset"]},
        **{name: {"id": id} for name in [
            "getEvents", "getSeries", "getSeriesTable", "listCandidates", "getLog", "getBundle", "bestCheckpoint", "latestContent"]},
    }


def settings(ids):
    text = SETTINGS
    for operation in sorted({*ids, *PARAMETERS, *JUDGED}):
        text += f'\n[[operations]]\ninclude-operation-id = "{operation}"\n'
        known = {**{f'"path.{name}"': value for name, value in ids.get(operation, {}).items()},
                 **{f'"query.{name}"': value for name, value in PARAMETERS.get(operation, {}).items()}}
        for name, value in known.items():
            value = str(value).lower() if isinstance(value, (bool, int)) else f'"{value}"'
            text += f"parameters.{name} = {value}\n"
        if operation in JUDGED:
            text += 'checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 410, 412, 422, 429]\n'
    return text


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--examples", type=int, default=4, help="random cases for each route")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--url", help="a server that runs already, to be filled with jobs")
    options = options.parse_args()
    command, reason = schemathesis()
    if not command:
        print(f"skipped: schemathesis {VERSION} cannot be installed: {reason.strip()}")
        return 0
    with Daemon() as daemon:
        path = daemon.folder / "schemathesis.toml"
        path.write_text(settings({} if options.url else furnish(daemon)))
        run = subprocess.run(
            [command, "--config-file", path, "run", ROOT / "openapi.yaml", "--url", options.url or daemon.url,
             "--checks", "all", "--max-examples", str(options.examples), "--seed", str(options.seed),
             "--request-timeout", "60", "--generation-database", "none", "--no-color", "--warnings", "off"],
            cwd=daemon.folder, capture_output=True, text=True)
        if run.returncode:
            report = ROOT / ".build/schemathesis.log"
            report.write_text(run.stdout + run.stderr)
            raise SystemExit(f"{run.stdout[-1500:]}\nschemathesis found failures: {report}")
        cases = re.search(r"(\d+) generated.*", run.stdout)
        print(f"schemathesis {VERSION}: {cases.group() if cases else run.stdout[-500:]}")


if __name__ == "__main__":
    sys.exit(main())
