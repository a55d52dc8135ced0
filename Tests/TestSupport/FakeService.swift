// A data directory with a worker that does what a test tells it: a shell script that keeps to the run directory's
// contract, so that the service is tested without training anything.

internal import Foundation

/// A folder of its own for one test, with a fake worker and one small data set.
package struct FakeService: Sendable {
    /// The data directory.
    package let folder: String
    /// A data-set root that holds `photos`.
    package let datasets: String
    /// The arguments that start the fake worker, the program first.
    package var command: [String] { ["bash", script] }
    package let executable = "/bin/bash"

    private var script: String { folder + "/worker.sh" }

    /// - Parameter folder: a new one unless told; one that was there goes on with its jobs.
    package init(folder: String? = nil) throws {
        self.folder = folder ?? NSTemporaryDirectory() + "detnas-service-\(UUID().uuidString)"
        let folder = self.folder
        datasets = folder + "/datasets"
        let files = FileManager.default
        for part in ["train", "val", "images", "annotations"] {
            try files.createDirectory(
                atPath: "\(datasets)/photos/\(part)",
                withIntermediateDirectories: true,
            )
        }
        for list in ["train", "val"] {
            try Data("{}".utf8).write(
                to: URL(filePath: "\(datasets)/photos/annotations/instances_\(list).json")
            )
        }
        try files.createDirectory(
            atPath: folder + "/behaviours",
            withIntermediateDirectories: true,
        )
        // Whole at once: a shell that runs it reads on in the file that it opened.
        try Data(FakeService.worker.utf8).write(to: URL(filePath: script), options: .atomic)
    }

    package func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Ends the worker's `until_told`.
    package func tell(_ job: String) throws {
        let run = "\(folder)/runs/\(job)"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try Data().write(to: URL(filePath: run + "/go"))
    }

    /// What the worker of a job with this seed does, in shell: see `worker` for the words it may use. The last seed in
    /// the job counts: a search's is that of its split, 0 unless told.
    package func behave(seed: Int, _ shell: String) throws {
        try Data(shell.utf8).write(to: URL(filePath: "\(folder)/behaviours/\(seed).sh"))
    }

    /// What the worker of every `dataset.check` does; unless told it finds two images and a box.
    package func behaveChecking(_ shell: String) throws {
        try Data(shell.utf8).write(to: URL(filePath: "\(folder)/behaviours/check.sh"))
    }

    /// `event TYPE JSON`, `checkpoint NAME STEP KIND`, `result`, `result_found GENOME SPACE HASH`, `leave NAME CONTENT`, `result_left`,
    /// `result_checked METRICS PROBLEMS`, `fail CODE RETRIABLE`, `nap`, `until_told`, `until_stopped`; `$attempt`, `$epoch` and `$run` are set.
    private static let worker = #"""
        run=$1; attempt=$3; epoch=1; made=null
        while ! mkdir "$run/epoch-$epoch" 2>/dev/null; do epoch=$((epoch + 1)); done
        dir=$run/epoch-$epoch; mkdir "$dir/checkpoints"
        event() { printf '{"ts":"%(%Y-%m-%dT%H:%M:%S)T.000Z","type":"%s","data":%s}\n' -1 "$1" "$2" >> "$dir/events.jsonl"; }
        put() { printf '%s' "$2" > "$dir/$1.tmp"; mv "$dir/$1.tmp" "$dir/$1"; }
        checkpoint() {
          local path=epoch-$epoch/checkpoints/$1.safetensors
          printf 'weights of %s at %s' "$1" "$2" > "$run/$path"
          local sum; sum=$(sha256sum "$run/$path"); sum=${sum%% *}
          made='{"name":"'$1'","path":"'$path'","kind":"'$3'","step":'$2',"sha256":"'$sum'","bytes":'$(stat -c %s "$run/$path")'}'
          put checkpoint.json "$made"; event checkpoint.created "${made%\}},\"final\":false}"
        }
        result() { if [ "$made" = null ]; then put result.json '{"outputs":{}}'; else put result.json '{"outputs":{"checkpoint":'"$made"'}}'; fi; }
        result_found() { put result.json '{"outputs":{"architectures":[{"genome":"'"$1"'","space":'"$2"',"macs":1,"params":2,"score":0.5,"hash":"'"$3"'"}]}}'; }
        leave() { mkdir -p "$dir/files"; printf '%s' "$2" > "$dir/files/$1"
          local sum; sum=$(sha256sum "$dir/files/$1"); sum=${sum%% *}
          left="$left${left:+,}"'{"name":"'$1'","path":"'${3:-epoch-$epoch/files/$1}'","sha256":"'$sum'","bytes":'$(stat -c %s "$dir/files/$1")'}'
        }
        result_left() { put result.json '{"outputs":{"files":['"$left"']}}'; }
        result_checked() { leave problems.json "$2"; put result.json '{"outputs":{"metrics":'"$1"',"files":['"$left"']}}'; }
        fail() { put error.json '{"code":"'$1'","message":"as told","retriable":'$2'}'; exit 1; }
        # `sleep` as a builtin: a process for each nap would be most of the test's work.
        exec {nothing}<> <(:)
        nap() {
          read -r -t 0.02 -u "$nothing"
          if [ "$stop" ]; then checkpoint stopped 7 supernet; exit 75; fi
        }
        until_told() { while [ ! -e "$run/go" ]; do nap; done; }
        until_stopped() { while :; do nap; done; }
        # No more than a word: a trap runs in the middle of `read`.
        stop=; trap stop=1 TERM
        job=$(<"$run/job.json"); seed=${job##*\"seed\":}; seed=${seed%%[,\}]*}
        if [[ $job == *'"kind":"dataset.check"'* ]]; then
          [ -e "$run/../../behaviours/check.sh" ] || {
            event job.progress '{"phase":"checking","unit":"images","done":2,"total":2,"stage":"val"}'
            result_checked '{"form":"coco","images":2,"boxes":1,"classes":1,"splits":[{"name":"val","images":2,"boxes":1,"classes":1,"unreadable":0,"digest":null}],"problems":0,"failures":[],"digest":null}' '[]'
            exit 0
          }
          seed=check
        fi
        . "$run/../../behaviours/$seed.sh"
        """#
}

/// Waits until `condition` holds, at most `seconds`.
/// - Returns: whether it came to hold.
package func eventually(
    within seconds: Double = 10,
    _ condition: () throws -> Bool,
) rethrows -> Bool {
    let end = Date() + seconds
    while try !condition() {
        guard Date() < end else { return false }
        Thread.sleep(forTimeInterval: 0.01)
    }
    return true
}

/// Overwrites the first page of a database that nobody has open, from byte `start` on.
///
/// - Parameter page: counted from 1.
package func damage(page: Int, of path: String, pageSize: Int = 4096, from start: Int = 0) throws {
    let file = try FileHandle(forUpdating: URL(filePath: path))
    defer { try? file.close() }
    try file.seek(toOffset: UInt64((page - 1) * pageSize + start))
    try file.write(contentsOf: Data(repeating: 0xa5, count: pageSize - start))
}
