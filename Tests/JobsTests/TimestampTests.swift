// Times as clients write them.

import Foundation
import Jobs
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2026-01-31T12:00:00Z", 1_769_860_800.0), ("2026-01-31t12:00:00.5z", 1_769_860_800.5),
        ("2026-01-31T13:30:00+01:30", 1_769_860_800),
        ("2026-01-31T11:00:00.25-01:00", 1_769_860_800.25),
        ("2026-02-01T10:13:00+22:13", 1_769_860_800), ("2016-12-31T23:59:60Z", 1_483_228_800),
    ])
    func `every form of a time is the same moment`(text: String, seconds: Double) {
        #expect(Timestamp.anyDate(text)?.timeIntervalSince1970 == seconds)
    }

    @Test(arguments: [
        "", "yesterday", "2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-01-31 12:00:00Z",
    ])
    func `what is no time is none`(text: String) {
        #expect(Timestamp.anyDate(text) == nil)
    }
}
