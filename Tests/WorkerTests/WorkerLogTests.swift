// What is printed of a worker's events.

import Configs
import Foundation
import Jobs
import Testing

@testable import Worker

struct WorkerLogTests {
    private let noon = Date(timeIntervalSince1970: 1_800_000_000)

    @Test func `an event is one line of its plain values`() throws {
        var log = WorkerLog()
        let event = NewEvent(
            "evaluation",
            [
                "step": 200, "map": 0.123456789, "stage": "detection", "note": "two words",
                "stats": [0.1, 0.2], "sha256": "ab",
            ],
            at: noon,
        )
        #expect(
            log.line(event, at: noon)
                == event.ts + #" evaluation map=0.12346 note="two words" stage=detection step=200"#
                + "\n"
        )
        #expect(
            log.line(NewEvent("warning", ["message": "a\nb"]))?.dropLast().contains("\n") == false
        )
    }

    @Test func `of what comes at each step one is printed in a while, of the rest all`() {
        var log = WorkerLog(interval: 30)
        func count(_ type: String, _ times: [Double]) -> Int {
            times.count { log.line(NewEvent(type, ["step": 1]), at: noon + $0) != nil }
        }
        #expect(count("metric", [0, 1, 29.9, 30, 31, 59, 60]) == 3)
        #expect(count("candidate.evaluated", [0, 1]) == 1)
        #expect(count("evaluation", [0, 0, 1]) == 3)
        #expect(count("heartbeat", [0, 100]) == 0 && count("job.progress", [0, 100]) == 0)
        // A clock that was set back must not keep it silent.
        #expect(count("metric", [-1000]) == 1)
    }
}
