// What an operator should know before something breaks: each thing looked at gives one line.

package import Foundation
internal import Glibc
internal import JobStore

/// One thing that was looked at.
package struct Finding: Equatable, Sendable {
    package enum Level: String, Sendable {
        case ok, warn, fail
    }

    package var level: Level
    package var subject: String
    package var words: String
    /// What to do.
    package var advice: String?

    package init(_ level: Level, _ subject: String, _ words: String, _ advice: String? = nil) {
        self.level = level
        self.subject = subject
        self.words = words
        self.advice = advice
    }

    package var line: String {
        let name = level.rawValue.padding(toLength: 4, withPad: " ", startingAt: 0)
        return "\(name)  \(subject): \(words)" + (advice.map { "; \($0)" } ?? "")
    }
}

/// Looks at a data directory and the machine, and changes nothing.
package struct Doctor: Sendable {
    package var folder: String
    /// As of `Scheduler.Settings`.
    package var diskReserve: Int?
    package var now = Date()
    package var diskSpace: @Sendable (String) -> DiskSpace? = { DiskSpace(of: $0) }

    package init(folder: String, diskReserve: Int? = nil) {
        self.folder = folder
        self.diskReserve = diskReserve
    }

    package func findings() -> [Finding] {
        guard FileManager.default.fileExists(atPath: folder) else {
            return [
                Finding(
                    .fail,
                    "data",
                    "\(folder) is not there",
                    "name it with --data, or start a server",
                )
            ] + machine
        }
        return [writable, owner, fileSystem, room] + database + machine
    }

    private var machine: [Finding] { [descriptors, cores] }

    private var writable: Finding {
        let path = "\(folder)/.doctor.\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            return Finding(
                .fail,
                "data",
                "\(folder) cannot be written: \(String(cString: strerror(errno)))",
                "give it to the user that serves, and look whether it is mounted read-only",
            )
        }
        close(descriptor)
        unlink(path)
        return Finding(.ok, "data", "\(folder) can be written")
    }

    private var owner: Finding {
        guard let owner = JobStore.owner(of: folder) else {
            return Finding(.ok, "owner", "no server has it open")
        }
        return Finding(.ok, "owner", "process \(owner) serves it")
    }

    /// By the mount that its path is in.
    private var fileSystem: Finding {
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        let path = URL(filePath: folder).resolvingSymlinksInPath().path + "/"
        let rows: [[String]] = mounts.split(separator: "\n").map { line in
            line.split(separator: " ").map(String.init)
        }
        let around = rows.filter { row in
            guard row.count > 3 else { return false }
            return row[1] == "/" || path.hasPrefix(row[1] + "/")
        }
        let found = around.max { $0[1].count <= $1[1].count }
        guard let found else { return Finding(.warn, "file system", "its mount was not found") }
        let (place, kind) = (found[1], found[2])
        let words = "\(kind), mounted at \(place)"
        if ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"].contains(kind) {
            return Finding(
                .warn,
                "file system",
                words,
                "SQLite's locks are not safe on many network file systems: keep the data directory on a local disk",
            )
        }
        if ["tmpfs", "ramfs", "overlay"].contains(kind) {
            return Finding(
                .warn,
                "file system",
                words,
                "what is there goes with the machine or container: use a disk or a volume",
            )
        }
        return Finding(.ok, "file system", words)
    }

    private var room: Finding {
        guard let space = diskSpace(folder) else {
            return Finding(.warn, "room", "the file system does not tell")
        }
        let room = DiskRoom(space, reserve: diskReserve)
        if room.isShort {
            return Finding(
                .fail,
                "room",
                "\(room.words): no job is started",
                "make room, set --keep-checkpoints and --keep-events, or delete jobs",
            )
        }
        if space.free < 3 * room.reserve {
            return Finding(.warn, "room", room.words, "make room before the queue stops")
        }
        return Finding(.ok, "room", room.words)
    }

    private var database: [Finding] {
        let advice =
            "stop the server, then put a backup into another folder: detnas restore BACKUP FOLDER"
        do {
            guard let found = try JobStore.inspect(folder) else {
                return [Finding(.warn, "database", "there is none yet", "a first start makes it")]
            }
            let integrity =
                found.faults.isEmpty
                ? Finding(.ok, "database", "no fault was found")
                : Finding(
                    .fail,
                    "database",
                    "damaged: " + found.faults.prefix(3).joined(separator: ", "),
                    advice,
                )
            return [integrity, schema(found), clock(found.newestEvent)]
        } catch StoreError.damaged(_, let reason) {
            return [Finding(.fail, "database", "damaged: \(reason)", advice)]
        } catch {
            return [
                Finding(
                    .fail,
                    "database",
                    "cannot be opened: \(error)",
                    "look at the rights of its files",
                )
            ]
        }
    }

    private func schema(_ found: DatabaseCondition) -> Finding {
        if !found.isKnown {
            return Finding(
                .fail,
                "schema",
                "written by a later version",
                "use that version of detnas or a newer one",
            )
        }
        guard found.missingMigrations > 0 else { return Finding(.ok, "schema", "of this version") }
        return Finding(
            .warn,
            "schema",
            "\(found.missingMigrations) migrations behind this version",
            "make a backup: the next start brings it up to date, and earlier versions cannot open it then",
        )
    }

    private func clock(_ newest: Date?) -> Finding {
        guard let newest else {
            return Finding(.ok, "clock", "there is no event to compare it with")
        }
        let lead = newest.timeIntervalSince(now)
        guard lead > 60 else { return Finding(.ok, "clock", "not before the newest event") }
        return Finding(
            .warn,
            "clock",
            "the newest event is \(Int(lead)) s ahead of the clock",
            "the clock was set back, or an event was stored while it was wrong: see that it is synchronised",
        )
    }

    private var descriptors: Finding {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return Finding(.warn, "open files", "the limit is not told")
        }
        // 1,024 connections, a file for each download, and what the store and the workers need.
        guard limit.rlim_cur >= 2500 else {
            return Finding(
                .warn,
                "open files",
                "at most \(limit.rlim_cur)",
                "raise it to 4096 or more: ulimit -n, or LimitNOFILE= in the unit",
            )
        }
        return Finding(.ok, "open files", "at most \(limit.rlim_cur)")
    }

    private var cores: Finding {
        let mine = Machine.cores().count
        let all = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let quota =
            (try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8))?
            .split(whereSeparator: \.isWhitespace).compactMap { Double($0) } ?? []
        if quota.count == 2, quota[1] > 0, quota[0] / quota[1] < Double(mine) {
            return Finding(
                .warn,
                "cores",
                "\(mine), but only the time of \(String(format: "%.1f", quota[0] / quota[1])) by the control group",
                "give --cores no more than that",
            )
        }
        guard mine >= all else {
            return Finding(
                .warn,
                "cores",
                "\(mine) of \(all) may be used",
                "see the process's affinity",
            )
        }
        return Finding(.ok, "cores", "\(mine)")
    }

    /// Of a certificate that is valid from and until certain times.
    package static func certificate(
        _ file: String,
        _ validity: (from: Date, until: Date),
        at now: Date,
    ) -> Finding {
        let end = validity.until.formatted(.iso8601)
        if now < validity.from {
            let start = validity.from.formatted(.iso8601)
            return Finding(
                .fail,
                "certificate",
                "\(file) is valid from \(start) only",
                "see the clock",
            )
        }
        if now >= validity.until {
            return Finding(
                .fail,
                "certificate",
                "\(file) was valid until \(end)",
                "replace it and send the server SIGHUP",
            )
        }
        guard validity.until.timeIntervalSince(now) > 14 * 86_400 else {
            return Finding(
                .warn,
                "certificate",
                "\(file) is valid until \(end)",
                "replace it soon and send the server SIGHUP",
            )
        }
        return Finding(.ok, "certificate", "\(file) is valid until \(end)")
    }
}
