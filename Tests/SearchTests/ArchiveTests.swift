import Foundation
import Search
import SearchSpaces
import Testing

struct ArchiveTests {
    private let scale = Score.Scale(fidelity: "supernet-ap", images: "d1", checkpoint: "c1")

    private func candidate(
        _ index: Int,
        _ letters: [UInt8],
        value: Double,
        macs: Int = 0,
        generation: Int = 0,
    ) -> Candidate {
        Candidate(
            index: index,
            generation: generation,
            genome: Genome(letters),
            cost: Cost(macs: macs, classifierMacs: -macs, params: 0, classifierParams: 0),
            origin: .random,
            score: Score(value: value, scale: scale),
        )
    }

    @Test func `two genomes 0.004 apart keep their order`() throws {
        var archive = Archive()
        try archive.append(candidate(0, [0], value: 0.370))
        try archive.append(candidate(1, [1], value: 0.374))
        #expect(archive.ranked().map(\.index) == [1, 0])
        // As they do when only the last bit differs.
        try archive.append(candidate(2, [2], value: (0.374).nextUp))
        #expect(archive.top(2).map(\.index) == [2, 1])
    }

    @Test func `the front has those that nothing beats in both value and cost`() throws {
        var archive = Archive()
        var random = CounterRandom(seed: 1, stream: "front")
        for index in 0..<250 {
            let value = Double(random.below(40)) / 40
            try archive.append(
                candidate(index, [UInt8(index)], value: value, macs: random.below(40))
            )
        }
        let front = archive.front { _ in true }
        func isBeaten(_ one: Candidate) -> Bool {
            archive.candidates.contains { other in
                let (a, b) = (one.score?.value ?? 0, other.score?.value ?? 0)
                return b >= a && other.cost.macs <= one.cost.macs
                    && (b > a || other.cost.macs < one.cost.macs)
            }
        }
        // Of equal ones the front has one.
        let kept = Set(front.map { "\($0.cost.macs) \($0.score?.value ?? 0)" })
        let unbeaten = archive.candidates.filter { !isBeaten($0) }
        #expect(kept == Set(unbeaten.map { "\($0.cost.macs) \($0.score?.value ?? 0)" }))
        #expect(front.count == kept.count && front.count > 2)
        #expect(front.map(\.cost.macs) == front.map(\.cost.macs).sorted())
        #expect(archive.front { $0.index < 0 }.isEmpty)
    }

    @Test func `equal values are ranked by lower cost, then by word`() throws {
        var archive = Archive()
        try archive.append(candidate(0, [1, 1], value: 0.5, macs: 7))
        try archive.append(candidate(1, [1, 0], value: 0.5, macs: 7))
        try archive.append(candidate(2, [3, 3], value: 0.5, macs: 6))
        try archive.append(candidate(3, [0, 0], value: 0.4, macs: 1))
        #expect(archive.ranked().map(\.index) == [2, 1, 0, 3])
        #expect(archive.ranked(by: .classifier).map(\.index) == [1, 0, 2, 3])
        #expect(archive.top(0).isEmpty && archive.top(-1).isEmpty && archive.top(9).count == 4)
    }

    @Test func `what cannot be ranked is refused and changes nothing`() throws {
        var archive = Archive()
        try archive.append(candidate(0, [0], value: 0.5))
        let before = archive
        let other = Score.Scale(fidelity: "supernet-ap", images: "d2", checkpoint: "c1")
        var unfinished = candidate(1, [1], value: 0)
        unfinished.score = nil
        var both = candidate(1, [1], value: 0)
        both.failure = "failed"
        var doubtful = candidate(1, [1], value: 0)
        doubtful.halted = Halving(images: 2, factor: 2, z: 0).verdicts([[1, 1], [2, 2]])[1]
        var foreign = candidate(1, [1], value: 0)
        foreign.score = Score(value: 1, scale: other)
        for (wrong, error) in [
            (candidate(1, [0], value: 1), ArchiveError.repeated(index: 1, earlier: 0)),
            (candidate(0, [1], value: 1), .repeated(index: 0, earlier: 0)),
            (candidate(1, [1], value: .nan), .notFinite(index: 1, value: "nan")),
            (unfinished, .unfinished(index: 1)), (both, .unfinished(index: 1)),
            (doubtful, .unfinished(index: 1)),
            (foreign, .incomparable(index: 1, expected: scale, found: other)),
        ] {
            #expect(throws: error) { try archive.append(wrong) }
            #expect(archive == before)
        }
    }

    @Test func `a journal reads back as the same archive, one line a candidate`() throws {
        var archive = Archive()
        let cost = Cost(macs: 1, classifierMacs: 2, params: 3, classifierParams: 4)
        for (index, origin) in [
            Origin.random, .mutation(of: 0), .crossover(of: 0, and: 1), .crossover(of: 2, and: 2),
        ].enumerated() {
            let proposal = Candidate(
                index: index,
                generation: index / 2,
                genome: Genome([3, UInt8(index)]),
                cost: cost,
                origin: origin,
            )
            let score = Score(
                value: 0.1 + 0.2,
                ap: 1.0 / 3,
                loss: 1e-300,
                standardError: 0.1,
                scale: scale,
            )
            try archive.append(
                index == 2 ? proposal.failed("no \"detections\"\n/x") : proposal.scored(score)
            )
        }
        let journal = try archive.journal()
        #expect(journal.count { $0 == UInt8(ascii: "\n") } == 4)
        let read = try Archive.read(journal: journal)
        #expect(read.archive == archive)
        #expect(read.length == journal.count)
        #expect(try read.archive.journal() == journal)
        #expect(read.archive.failures.map(\.index) == [2])
        let second = String(decoding: journal.split(separator: 10)[1], as: UTF8.self)
        #expect(
            second == #"{"cost":{"classifierMacs":2,"classifierParams":4,"macs":1,"params":3},"#
                + #""generation":0,"genome":"3,1","index":1,"#
                + #""origin":{"kind":"mutation","parents":[0]},"score":{"ap":0.3333333333333333,"#
                + #""loss":1e-300,"scale":{"checkpoint":"c1","fidelity":"supernet-ap","#
                + #""images":"d1"},"standardError":0.1,"value":0.30000000000000004}}"#
        )
    }

    @Test func `a journal cut at any byte gives its whole lines`() throws {
        var archive = Archive()
        for index in 0..<3 {
            try archive.append(candidate(index, [UInt8(index)], value: Double(index)))
        }
        let journal = try archive.journal()
        let ends = journal.indices.filter { journal[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        for cut in 0...journal.count {
            let read = try Archive.read(journal: journal.prefix(cut))
            let whole = ends.filter { $0 <= cut }
            #expect(read.archive.count == whole.count)
            #expect(read.length == whole.last ?? 0)
        }
    }

    @Test func `a broken line within a journal is named`() throws {
        let good = try Archive.line(candidate(0, [0], value: 1))
        for bad in ["{}\n", "\n", "no json\n", String(decoding: good, as: UTF8.self)] {
            do throws(ArchiveError) {
                _ = try Archive.read(journal: good + Data(bad.utf8))
                Issue.record("accepted \(bad)")
            } catch {
                guard case .line(number: 2, _) = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }
}
