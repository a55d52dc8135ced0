// What commands print and read, line by line.

import Configs
import Foundation
import Testing

@testable import Client

@Suite struct TextTests {
    @Test(arguments: [
        (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7500, "2 h 05 min"),
        (180_000, "2 d 2 h"),
    ])
    func `a span is told in its two largest units`(seconds: Double, text: String) {
        #expect(Span.text(seconds) == text)
    }

    @Test func `a job's line has its age, and as many columns as the header`() throws {
        let now = try Date("2026-01-02T00:00:00.000Z", strategy: .iso8601)
        let job: JSONValue = [
            "id": "job_01jd2y3m6v0000000000000000", "state": "running", "kind": "search.evolution",
            "createdAt": "2026-01-01T21:55:00.250Z", "progress": ["fraction": 0.455],
            "name": "first one",
        ]
        let line = JobTable.line(job, now: now)
        #expect(
            line
                == "job_01jd2y3m6v0000000000000000  running    45 %    search.evolution      2 h 05 min   first one"
        )
        let start = try #require(line.range(of: "first one")).lowerBound
        let name = try #require(JobTable.header.range(of: "NAME")).lowerBound
        #expect(
            line.distance(from: line.startIndex, to: start)
                == JobTable.header.distance(from: JobTable.header.startIndex, to: name)
        )
    }

    @Test func `the line of progress has state, bar, figures and what is left`() {
        var line = JobLine([
            "state": "running", "phase": "loading", "latestMetrics": ["loss": 2.5, "lr": 1],
        ])
        #expect(line.text(width: 200) == "running loading  loss 2.5")
        line.take([
            "type": "job.progress",
            "data": [
                "phase": "training", "unit": "steps", "done": 50, "total": 200, "etaSeconds": 300,
            ],
        ])
        line.take(["type": "metric", "data": ["loss": 0.75]])
        line.take(["type": "evaluation", "data": ["map": 0.3456]])
        #expect(
            line.text(width: 200)
                == "running training  [######..................]  25 %  50/200 steps  loss 0.75  mAP 0.3456  5 min left"
        )
        #expect(line.text(width: 20) == "running training  [#")
        line.take(["type": "job.end", "data": ["state": "failed"]])
        #expect(line.text(width: 200).hasPrefix("failed  ["))
    }

    @Test func `a file that is wrong is named with line and column`() throws {
        func error(_ text: String, _ name: String, isYAML: Bool = false) throws -> ClientError {
            try #require(throws: ClientError.self) {
                try JobFile.parse(Data(text.utf8), named: name, isYAML: isYAML)
            }
        }
        let json = try error("{\n  \"a\": ,\n}", "job.json")
        #expect(json.description.hasPrefix("job.json:2:8: expected a value"), "\(json)")
        #expect(ExitStatus.of(json) == 65)
        let key = try error("a: 1\n[1]: 2\n", "job.yaml", isYAML: true)
        #expect(key.description.hasPrefix("job.yaml:2:1: a key is no text"), "\(key)")
        let broken = try error("a: [1\nb: 2", "job.yaml", isYAML: true)
        #expect(broken.description.hasPrefix("job.yaml:2:"), "\(broken)")
        let missing = try #require(throws: ClientError.self) { try JobFile.read("/nowhere.json") }
        #expect(missing.description == "there is no file /nowhere.json")
        #expect(ExitStatus.of(missing) == 66)
    }

    @Test func `a single violation is told once, several are listed`() {
        let one = ServerProblem(
            status: 422,
            body: [
                "title": "Wrong", "detail": "found 3",
                "errors": [["pointer": "/a", "detail": "found 3", "allowed": "4"]],
            ],
        )
        #expect(one.description == "Wrong:\n  /a: found 3; allowed: 4")
        let two = ServerProblem(
            status: 422,
            body: [
                "title": "Wrong", "detail": "2 violations",
                "errors": [
                    ["pointer": "/a", "detail": "x"], ["pointer": "", "detail": "y"],
                ],
            ],
        )
        #expect(two.description == "Wrong:\n  /a: x\n  the whole: y")
        #expect(
            ServerProblem(status: 404, body: ["title": "Not found", "detail": "no"]).description
                == "Not found: no"
        )
    }

    @Test(arguments: [
        ("ap", "-map"), ("ap50", "-map50"), ("top1", "-top1"), ("loss", "loss"),
    ])
    func `candidates are ranked as the search ranks them, the best first`(
        objective: String,
        sort: String,
    ) throws {
        let ranking = try Ranking([
            "kind": "search.evolution", "spec": ["objective": .string(objective)],
        ])
        #expect(ranking.sort == sort)
    }

    @Test func `a candidate's line names its score, and what is no search has none`() throws {
        let line = Ranking(field: "top1").line([
            "macs": 12_340_000, "params": 1_500_000, "top1": 0.25, "genome": "0,1", "failure": nil,
        ])
        #expect(line == "    12.3 M MACs     1.50 M params  top-1 0.2500  0,1")
        #expect(Ranking(field: "map").line(["failure": "no memory"]).contains("failed: no memory"))
        #expect(Ranking(field: "map").line(["map": nil]).contains("  halted  "))
        let error = try #require(throws: ClientError.self) {
            try Ranking(["id": "job_1", "kind": "supernet.pretrain"])
        }
        #expect(error.description.contains("job_1 is a supernet.pretrain"))
        #expect((ExitStatus.of(error) ?? 0) != 0)
    }

    @Test func `a single point lies in the middle, with one mark on each axis`() {
        let lines = TextPlot.drawing([(5e6, 0.25)], x: "macs", y: "map").split(
            separator: "\n",
            omittingEmptySubsequences: false,
        )
        #expect(lines.count == 19)
        #expect(lines[7] == " 0.2500 |" + String(repeating: " ", count: 30) + "*")
        #expect(lines.count { $0.contains("*") } == 1)
        #expect(lines.count { $0.contains("0.2500") } == 1)
        #expect(lines[17].trimmingCharacters(in: .whitespaces) == "5.0 M")
        #expect(lines[18] == "map by macs, 1 candidate")
    }

    @Test func `points lie where they belong, the dearest and best at the upper right`() {
        let lines = TextPlot.drawing([(1, 0.1), (2, 0.3)], x: "params", y: "map").split(
            separator: "\n",
            omittingEmptySubsequences: false,
        )
        #expect(lines[0] == " 0.3000 |" + String(repeating: " ", count: 59) + "*")
        #expect(lines[15] == " 0.1000 |*")
        #expect(lines[17] == "         1" + String(repeating: " ", count: 58) + "2")
        #expect(TextPlot.drawing([], x: "macs", y: "map") == "no candidate has a score")
    }
}
