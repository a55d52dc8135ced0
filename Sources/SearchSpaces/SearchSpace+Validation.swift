// What makes a space that a user wrote unusable, each problem with its place, all at once.

extension SearchSpace {
    /// Something that a space cannot have.
    package struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// A JSON pointer within the space, such as `/stages/2/width`.
        package let place: String
        /// What is there and why it cannot be.
        package let detail: String
        /// What may stand there instead.
        package let allowed: String

        package var description: String { "\(place): \(detail); allowed: \(allowed)" }
    }

    /// The limits within which every cost fits in an `Int`.
    package enum Bounds {
        package static let width = 4096
        package static let blocks = 64
        package static let imageSide = 1...65_536
    }

    /// Everything that is wrong with the space; empty when it can be built.
    package func validate() -> [Problem] {
        var problems: [Problem] = []
        func check(_ holds: Bool, _ place: String, _ detail: String, allowed: String) {
            if !holds { problems.append(Problem(place: place, detail: detail, allowed: allowed)) }
        }
        let widths = 1...Bounds.width

        check(
            (1...64).contains(name.utf8.count),
            "/name",
            "has \(name.utf8.count) bytes",
            allowed: "1 to 64 bytes",
        )
        check(
            widths.contains(stem),
            "/stem",
            "is \(stem) channels",
            allowed: "1 to \(Bounds.width)",
        )
        check(
            widths.contains(lastConv),
            "/lastConv",
            "is \(lastConv) channels",
            allowed: "1 to \(Bounds.width)",
        )
        check(
            stages.count == 4,
            "/stages",
            "has \(stages.count) stages",
            allowed: "4, with total strides 4, 8, 16 and 32",
        )
        check(
            !operations.isEmpty,
            "/operations",
            "is empty",
            allowed: Operation.allCases.map(\.rawValue).joined(separator: ", "),
        )
        for (number, operation) in operations.enumerated() {
            check(
                !operations[..<number].contains(operation),
                "/operations/\(number)",
                "repeats \(operation.rawValue)",
                allowed: "each operation once",
            )
        }

        var inputs = stem
        for (number, stage) in stages.enumerated() {
            let place = "/stages/\(number)"
            check(
                (1...Bounds.blocks).contains(stage.blocks),
                "\(place)/blocks",
                "is \(stage.blocks)",
                allowed: "1 to \(Bounds.blocks)",
            )
            check(
                widths.contains(stage.width) && stage.width % 4 == 0,
                "\(place)/width",
                "is \(stage.width) channels",
                allowed: "multiples of 4, as a shuffle splits halves, up to \(Bounds.width)",
            )
            // Else the main branch of the stage's first block would have no channel.
            check(
                block == .mmrazor || stage.width > inputs,
                "\(place)/width",
                "is \(stage.width) channels after \(inputs)",
                allowed: "more than \(inputs) with \"block\": \"official\", or \"mmrazor\" blocks",
            )
            inputs = stage.width
        }
        return problems
    }
}
