// How far a run is, how fast it goes, and when it will end.

import Configs
import Foundation

/// Counts units of work and tells, at most as often as its context wants and at the end, how far it is.
final class Progress {
    private let context: any RunContext
    private let phase: String
    private let unit: String
    private let total: Int
    private let stage: String?
    private let first: Int
    private let start = ContinuousClock.now
    private var last: ContinuousClock.Instant?

    init(
        _ context: any RunContext,
        phase: String,
        unit: String,
        from first: Int = 0,
        total: Int,
        stage: String? = nil,
    ) {
        self.context = context
        self.phase = phase
        self.unit = unit
        self.total = total
        self.stage = stage
        self.first = first
    }

    func advance(to done: Int) {
        let now = ContinuousClock.now
        if let last, done < total, now - last < context.progressInterval { return }
        last = now
        var data: [String: JSONValue] = [
            "phase": .string(phase), "unit": .string(unit), "done": .int(Int64(done)),
            "total": .int(Int64(total)),
        ]
        if let stage { data["stage"] = .string(stage) }
        let seconds = start.duration(to: now) / .seconds(1)
        if done > first, seconds > 0 {
            let throughput = Double(done - first) / seconds
            data["throughput"] = .double(throughput)
            data["etaSeconds"] = .double(Double(total - done) / throughput)
        }
        context.emit("job.progress", .object(data))
    }
}
