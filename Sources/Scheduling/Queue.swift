// Who goes next: pure rules over the waiting jobs and the free cores.

package import Foundation
package import Jobs

/// A waiting job, as far as its turn depends on it.
package struct Waiting: Equatable, Sendable {
    package var id: JobID
    package var priority: Int
    package var cores: Int
    /// Whether all that it needs from other jobs is there.
    package var isReady: Bool
    /// Not to be started before.
    package var notBefore: Date?

    package init(
        id: JobID,
        priority: Int = 0,
        cores: Int = 1,
        isReady: Bool = true,
        notBefore: Date? = nil,
    ) {
        self.id = id
        self.priority = priority
        self.cores = cores
        self.isReady = isReady
        self.notBefore = notBefore
    }
}

package struct Turn: Equatable, Sendable {
    /// To be started now, in this order.
    package var starts: [JobID]
    /// When to look again although nothing else happens.
    package var lookAgain: Date?

    package init(starts: [JobID] = [], lookAgain: Date? = nil) {
        self.starts = starts
        self.lookAgain = lookAgain
    }
}

package enum Queue {
    /// Jobs by priority, then age (a job's id tells it).
    ///
    /// A job whose inputs are there but whose cores are not all free lets nobody behind it go first: otherwise a stream of
    /// narrow jobs would keep a wide one waiting for ever. One that waits for inputs or after a failure lets others by.
    package static func turn(
        of waiting: [Waiting],
        freeCores: Int,
        freeSlots: Int,
        at now: Date,
    ) -> Turn {
        var (cores, slots) = (freeCores, freeSlots)
        var turn = Turn()
        let line = waiting.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
        for job in line where job.isReady {
            if let notBefore = job.notBefore, notBefore > now {
                turn.lookAgain = min(notBefore, turn.lookAgain ?? notBefore)
                continue
            }
            guard job.cores <= cores, slots > 0 else { break }
            cores -= job.cores
            slots -= 1
            turn.starts.append(job.id)
        }
        return turn
    }
}

/// The cores of this machine that jobs may have, each given to one job at a time.
package struct CorePool: Equatable, Sendable {
    package let all: [Int]
    package private(set) var free: Set<Int>
    /// Those that get no further job.
    package var drained: Set<Int> = []

    package init(_ cores: [Int]) {
        all = cores.sorted()
        free = Set(cores)
    }

    /// Those that a job may have now.
    package var available: Set<Int> { free.subtracting(drained) }

    /// The lowest free cores; nil when there are not so many.
    package mutating func take(_ count: Int) -> [Int]? {
        guard count > 0, available.count >= count else { return nil }
        let taken = Array(available.sorted().prefix(count))
        free.subtract(taken)
        return taken
    }

    /// Takes certain cores, as a worker that is already running holds them; those that are no longer ours are left out.
    package mutating func take(_ cores: [Int]) { free.subtract(cores) }

    package mutating func give(back cores: [Int]) { free.formUnion(Set(cores).intersection(all)) }
}
