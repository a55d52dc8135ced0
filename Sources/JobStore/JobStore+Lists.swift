// Lists, by keyset: a page begins after the last element of the one before, whatever was inserted meanwhile.

package import Configs
package import Foundation
import GRDB
package import Jobs

extension JobStore {
    /// Jobs, newest first.
    package func jobs(
        _ wanted: JobFilter = JobFilter(),
        after: ListCursor? = nil,
        limit: Int,
    ) throws -> Page<Job> {
        try database.read { db in
            var filter = Filter(wanted)
            if let after { filter.add("number < ?", after.number) }
            let rows = try Row.fetchAll(
                db,
                sql:
                    "SELECT number, document FROM jobs \(filter.text) ORDER BY number DESC LIMIT ?",
                arguments: filter.arguments + [limit + 1],
            )
            let jobs = try decode(rows.prefix(limit).map { $0["document"] })
            return Page(
                elements: jobs,
                next: rows.count > limit ? ListCursor(number: rows[limit - 1]["number"]) : nil,
            )
        }
    }

    /// How many jobs there are, counted up to `most`.
    package func count(_ wanted: JobFilter, most: Int) throws -> Int {
        let filter = Filter(wanted)
        return try database.read { db in
            try Int.fetchOne(
                db,
                sql: "SELECT COUNT(*) FROM (SELECT 1 FROM jobs \(filter.text) LIMIT ?)",
                arguments: filter.arguments + [most],
            ) ?? 0
        }
    }

    /// Pipelines, newest first.
    package func pipelines(after: ListCursor? = nil, limit: Int) throws -> Page<Pipeline> {
        var filter = Filter()
        if let after { filter.add("number < ?", after.number) }
        return try page(
            "SELECT * FROM pipelines \(filter.text) ORDER BY number DESC",
            filter,
            limit,
        ) { ListCursor(number: $0.number) }
    }

    /// Events of a job after number `seq`, oldest first, at most `limit`.
    package func events(
        of job: JobID,
        after seq: Int,
        types: [String] = [],
        limit: Int,
    ) throws -> [JobEvent] {
        try database.read { db in
            var filter = Filter()
            filter.add("job = ?", job.rawValue)
            filter.add("seq > ?", seq)
            filter.among("type", types)
            let rows = try Row.fetchAll(
                db,
                sql:
                    "SELECT seq, ts, attempt, type, data FROM events \(filter.text) ORDER BY seq LIMIT ?",
                arguments: filter.arguments + [limit],
            )
            return try rows.map { try JobStore.event($0, of: job) }
        }
    }

    private static func event(_ row: Row, of job: JobID) throws -> JobEvent {
        let data: String = row["data"]
        return JobEvent(
            seq: row["seq"],
            ts: row["ts"],
            job: job,
            attempt: row["attempt"],
            type: row["type"],
            data: try JSON.read(JSONValue.self, from: Data(data.utf8)),
        )
    }

    /// Events of all jobs but those of single steps, oldest first, with the number by which they are resumed.
    package func feed(
        after number: Int,
        types: [String] = [],
        limit: Int,
    ) throws -> [(number: Int, event: JobEvent)] {
        try database.read { db in
            var filter = Filter()
            filter.add("feed.number > ?", number)
            filter.among("events.type", types)
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT feed.number, events.* FROM feed
                    JOIN events ON events.job = feed.job AND events.seq = feed.seq
                    \(filter.text) ORDER BY feed.number LIMIT ?
                    """,
                arguments: filter.arguments + [limit],
            )
            return try rows.compactMap { row in
                guard let job = JobID(rawValue: row["job"]) else { return nil }
                return (row["number"], try JobStore.event(row, of: job))
            }
        }
    }

    /// The number of the newest event of all jobs; 0 before the first.
    package func lastOfFeed() throws -> Int {
        try database.read { db in
            try Int.fetchOne(db, sql: "SELECT MAX(number) FROM feed") ?? 0
        }
    }

    /// Checkpoints, newest first.
    package func checkpoints(
        of job: JobID? = nil,
        kinds: [CheckpointKind] = [],
        after: ListCursor? = nil,
        limit: Int,
    ) throws -> Page<Checkpoint> {
        var filter = Filter()
        if let job { filter.add("job = ?", job.rawValue) }
        filter.among("kind", kinds.map(\.rawValue))
        if let after { filter.add("number < ?", after.number) }
        return try page(
            "SELECT * FROM checkpoints \(filter.text) ORDER BY number DESC",
            filter,
            limit,
        ) { ListCursor(number: $0.number) }
    }

    package func checkpoint(_ id: String) throws -> Checkpoint? {
        try database.read { db in
            try Checkpoint.fetchOne(
                db,
                sql: "SELECT * FROM checkpoints WHERE id = ?",
                arguments: [id],
            )
        }
    }

    /// The stored form of a file that a job wrote.
    package func checkpoint(of job: JobID, at path: String) throws -> Checkpoint? {
        try database.read { db in
            try Checkpoint.fetchOne(
                db,
                sql: "SELECT * FROM checkpoints WHERE job = ? AND path = ? ORDER BY number DESC",
                arguments: [job.rawValue, path],
            )
        }
    }

    /// Candidates of a search in the order of `sort`, ties in the order of evaluation.
    package func candidates(
        of job: JobID,
        _ wanted: CandidateFilter = CandidateFilter(),
        sort: CandidateSort = CandidateSort(),
        after: ListCursor? = nil,
        limit: Int,
    ) throws -> Page<Candidate> {
        let key = sort.expression
        var filter = Filter()
        filter.add("job = ?", job.rawValue)
        if let generation = wanted.generation { filter.add("generation = ?", generation) }
        if let least = wanted.minMap { filter.add("map >= ?", least) }
        if let most = wanted.maxMacs { filter.add("macs <= ?", most) }
        if let most = wanted.maxParams { filter.add("params <= ?", most) }
        switch wanted.state {
        case nil: break
        case .evaluated: filter.add("failure IS NULL AND halted IS NULL")
        case .halted: filter.add("halted IS NOT NULL")
        case .failed: filter.add("failure IS NOT NULL")
        }
        if let after {
            filter.add("(\(key), number) > (?, ?)", after.key, after.number)
        }
        return try page(
            "SELECT * FROM candidates \(filter.text) ORDER BY \(key), number",
            filter,
            limit,
        ) { ListCursor(number: $0.number, key: sort.key($0)) }
    }

    /// All candidates of a search, in the order of evaluation.
    package func allCandidates(of job: JobID) throws -> [Candidate] {
        try database.read { db in
            try Candidate.fetchAll(
                db,
                sql: "SELECT * FROM candidates WHERE job = ? ORDER BY place, number",
                arguments: [job.rawValue],
            )
        }
    }

    /// Architectures, newest first.
    package func architectures(
        of job: JobID? = nil,
        after: ListCursor? = nil,
        limit: Int,
    ) throws -> Page<StoredArchitecture> {
        var filter = Filter()
        if let job { filter.add("job = ?", job.rawValue) }
        if let after { filter.add("number < ?", after.number) }
        return try page(
            "SELECT * FROM architectures \(filter.text) ORDER BY number DESC",
            filter,
            limit,
        ) { ListCursor(number: $0.number) }
    }

    package func architecture(_ hash: String) throws -> StoredArchitecture? {
        try database.read { db in
            try StoredArchitecture.fetchOne(
                db,
                sql: "SELECT * FROM architectures WHERE hash = ?",
                arguments: [hash],
            )
        }
    }

    /// A pipeline and its jobs, in the order of its steps.
    package func pipeline(_ id: String) throws -> (pipeline: Pipeline, jobs: [Job])? {
        try database.read { db in
            guard
                let pipeline = try Pipeline.fetchOne(
                    db,
                    sql: "SELECT * FROM pipelines WHERE id = ?",
                    arguments: [id],
                )
            else { return nil }
            let documents = try String.fetchAll(
                db,
                sql: """
                    SELECT document FROM jobs WHERE pipeline = ? AND deletedAt IS NULL
                    ORDER BY number
                    """,
                arguments: [id],
            )
            return (pipeline, try decode(documents))
        }
    }

    func page<Element: FetchableRecord>(
        _ sql: String,
        _ filter: Filter,
        _ limit: Int,
        cursor: (Element) -> ListCursor,
    ) throws -> Page<Element> {
        let found = try database.read { db in
            try Element.fetchAll(
                db,
                sql: sql + " LIMIT ?",
                arguments: filter.arguments + [limit + 1],
            )
        }
        let elements = Array(found.prefix(limit))
        return Page(
            elements: elements,
            next: found.count > limit ? elements.last.map(cursor) : nil,
        )
    }
}

/// Which jobs a list has. Jobs that were deleted are in none.
package struct JobFilter: Equatable, Sendable {
    /// None: any.
    package var states: [JobState] = []
    package var kinds: [JobKind] = []
    /// Each label that a job must have, with its value.
    package var labels: [String: String] = [:]
    /// Made after, and before, this moment.
    package var createdAfter: Date?
    package var createdBefore: Date?
    /// Stands somewhere in the name; ASCII letters of either case.
    package var nameContains: String?

    package init() {}
}

/// Which candidates of a search a list has.
package struct CandidateFilter: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case evaluated
        case halted  // after fewer images than all
        case failed
    }

    package var state: State?
    package var generation: Int?
    package var minMap: Double?
    package var maxMacs: Int?
    package var maxParams: Int?

    package init() {}
}

/// The order of a list of candidates; those without the figure come last.
package struct CandidateSort: Equatable, Sendable {
    package enum Field: String, CaseIterable, Sendable {
        case index, map, map50, top1, top5, loss, macs, params
    }

    package var field = Field.index
    package var descending = false

    package init() {}

    /// `map`, or `-map` for the greatest first.
    package init?(_ text: String) {
        descending = text.hasPrefix("-")
        guard let field = Field(rawValue: String(text.drop { $0 == "-" })),
            text.count - field.rawValue.count == (descending ? 1 : 0)
        else { return nil }
        self.field = field
    }

    /// Ascending in every case, so that one comparison serves both directions.
    fileprivate var expression: String {
        let column = field == .index ? "place" : field.rawValue
        return "COALESCE(\(descending ? "-" : "")\(column), 9e99) + 0.0"
    }

    fileprivate func key(_ candidate: Candidate) -> Double {
        let value: Double? =
            switch field {
            case .index: Double(candidate.place)
            case .map: candidate.map
            case .map50: candidate.map50
            case .top1: candidate.top1
            case .top5: candidate.top5
            case .loss: candidate.loss
            case .macs: Double(candidate.macs)
            case .params: Double(candidate.params)
            }
        return value.map { descending ? -$0 : $0 } ?? 9e99
    }
}

/// Conditions that must all hold.
struct Filter {
    private var conditions: [String] = []
    private(set) var arguments = StatementArguments()

    var text: String { conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ") }

    mutating func add(_ condition: String, _ values: (any DatabaseValueConvertible)?...) {
        conditions.append(condition)
        arguments += StatementArguments(values)
    }

    /// No values: no condition.
    mutating func among(_ column: String, _ values: [String]) {
        guard !values.isEmpty else { return }
        conditions.append("\(column) IN (\(databaseQuestionMarks(count: values.count)))")
        arguments += StatementArguments(values)
    }
}

extension Filter {
    fileprivate init(_ wanted: JobFilter) {
        add("deletedAt IS NULL")
        among("state", wanted.states.map(\.rawValue))
        among("kind", wanted.kinds.map(\.rawValue))
        for (name, value) in wanted.labels.sorted(by: { $0.key < $1.key }) {
            add(
                """
                EXISTS (SELECT 1 FROM json_each(document, '$.labels')
                        WHERE json_each.key = ? AND json_each.value = ?)
                """,
                name,
                value,
            )
        }
        if let date = wanted.createdAfter {
            add("json_extract(document, '$.createdAt') > ?", Timestamp.text(date))
        }
        if let date = wanted.createdBefore {
            add("json_extract(document, '$.createdAt') < ?", Timestamp.text(date))
        }
        if let part = wanted.nameContains {
            add("instr(lower(json_extract(document, '$.name')), lower(?)) > 0", part)
        }
    }
}
