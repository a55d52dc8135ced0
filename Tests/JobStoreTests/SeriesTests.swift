// Numbers over time: which count, and how many are given.

import Configs
import Jobs
import Testing

@testable import JobStore

@Suite struct SeriesTests {
    private func tell(_ store: JobStore, _ job: Job, _ type: String, _ data: [String: JSONValue])
        throws
    {
        try store.change(job.id) { _ in [NewEvent(type, data)] }
    }

    @Test func `where a job was cut off and went on from an earlier step, what came later counts`()
        throws
    {
        try withStore { store in
            let job = try startedJob(store, kind: .supernetPretrain)
            for step in 1...6 {
                try tell(store, job, "metric", ["step": .int(step), "loss": .double(1)])
            }
            try tell(store, job, "evaluation", ["step": 6, "top1": 0.5])
            for step in 4...5 {
                try tell(store, job, "metric", ["step": .int(step), "loss": 2, "lr": 0.5])
            }
            try tell(store, job, "evaluation", ["step": 6, "top1": 0.25])
            let loss = try store.series(of: job.id, "loss", most: 100)
            #expect(loss.map(\.step) == [1, 2, 3, 4, 5])
            #expect(loss.map(\.value) == [1, 1, 1, 2, 2])
            let part = try store.series(of: job.id, "loss", in: 3...4, most: 100)
            #expect(part.map(\.value) == [1, 2])
            var all: [String: [[Double]]] = [:]
            try store.forEachPoint(of: job.id) {
                all[$0, default: []].append([$1.step, $1.value])
            }
            #expect(all["loss"] == loss.map { [$0.step, $0.value] })
            #expect(all["lr"] == [[4, 0.5], [5, 0.5]] && all["top1"] == [[6, 0.25]])
            #expect(all.count == 3)
        }
    }

    @Test func `stages count their own steps, and come one after the other`() throws {
        try withStore { store in
            let job = try startedJob(store, kind: .subnetRetrain)
            for (stage, step) in [
                ("classification", 1), ("classification", 2), ("detection", 1), ("detection", 2),
            ] {
                let data: [String: JSONValue] = [
                    "step": .int(step), "loss": 1, "stage": .string(stage),
                ]
                try tell(store, job, "metric", data)
            }
            #expect(try store.series(of: job.id, "loss", most: 9).map(\.step) == [1, 2, 1, 2])
            let one = try store.series(of: job.id, "loss", stage: "detection", most: 9)
            #expect(one.map(\.step) == [1, 2])
        }
    }

    @Test(arguments: [2, 3, 10, 64, 500])
    func `a thinned series has the peaks, in order, and no more points than asked for`(count: Int) {
        for length in [0, 1, 2, 9, 10, 11, 63, 64, 65, 1000, 4097] {
            var thinning = Thinning(to: count)
            let peak = length * 2 / 3
            for step in 0..<length {
                let value =
                    step == peak ? 9 : step == peak / 2 ? -9 : Double(step * 7919 % 101) / 101
                thinning.add(SeriesPoint(step: Double(step), ts: "", value: value))
            }
            let points = thinning.points
            let steps = points.map(\.step)
            #expect(points.count <= count && steps == Set(steps).sorted())
            if length <= count - count % 2 { #expect(points.count == length) }
            if length > count { #expect(points.count >= count / 2) }
            guard length > 2 else { continue }
            if count >= 4 { #expect(steps.first == 0 && steps.last == Double(length - 1)) }
            let values = points.map(\.value)
            #expect(values.contains(9) && values.contains(-9), "\(length) to \(count)")
        }
    }
}
