// What is shown of the scheduler: who sits where, and whose turn comes when.

package import Foundation
package import Jobs

extension Scheduler {
    /// Which job sits on each core; nil: free.
    package func placement() -> [(core: Int, job: JobID?)] {
        control.sync {
            pool.all.map { core in
                (core, running.first { $0.value.supervisor.cores.contains(core) }?.key)
            }
        }
    }

    package func workers() -> [CoreState] {
        control.sync {
            pool.all.map { core in
                CoreState(
                    core: core,
                    job: running.first { $0.value.supervisor.cores.contains(core) }?.key,
                    isDrained: pool.drained.contains(core),
                )
            }
        }
    }

    /// The waiting jobs in the order of their turn. One that waits for others has no estimate, nor has any after a job
    /// whose length is not known; and nobody has while the disk is short of room.
    package func line(at now: Date) throws -> [(job: Job, start: Date?)] {
        let isShort = room()?.isShort == true
        return try control.sync {
            let waiting = try store.jobs(in: [.queued]).sorted {
                ($1.priority, $0.id) < ($0.priority, $1.id)
            }
            var ends = try running.map { id, worker -> (Date?, Int) in
                let eta = try store.job(id)?.progress?.etaSeconds
                return (eta.map { now + $0 }, worker.supervisor.cores.count)
            }.sorted { ($0.0 ?? .distantFuture) < ($1.0 ?? .distantFuture) }
            var (free, time) = (pool.available.count, now as Date?)
            return try waiting.map { job in
                guard try !isShort && isReady(job) else { return (job, nil) }
                while free < job.cores, !ends.isEmpty {
                    let (end, cores) = ends.removeFirst()
                    free += cores
                    if let end, let before = time { time = max(before, end) } else { time = nil }
                }
                guard free >= job.cores, let start = time else {
                    time = nil
                    return (job, nil)
                }
                free -= job.cores
                return (job, max(start, job.notBefore ?? start))
            }
        }
    }
}

/// One core that jobs may have.
package struct CoreState: Equatable, Sendable {
    package var core: Int
    package var job: JobID?
    /// Whether it gets no further job.
    package var isDrained: Bool
}
