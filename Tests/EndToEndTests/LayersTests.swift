// Who may know whom: every import is a declared dependency, and learning and service never meet but in `Worker`.
//
// SwiftPM lets a target import whatever lies below its dependencies; here it says what it uses.

import Foundation
import Testing

struct LayersTests {
    private static let learning: Set = [
        "Torch", "NN", "Annotations", "Evaluation", "Datasets", "SearchSpaces", "Search",
        "Detectors", "Pipelines", "Exchange",
    ]
    private static let service: Set = ["Jobs", "JobStore", "Scheduling", "API", "HTTP"]

    private static let products = ["ArgumentParser", "GRDB", "Logging", "SwiftProtobuf", "Yams"]

    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let sources = root.appending(path: "Sources")

    /// The project's modules and the products of its packages: all whose import must be declared.
    private func modules() throws -> Set<String> {
        let targets = try FileManager.default.contentsOfDirectory(atPath: Self.sources.path)
        return Set(targets).union(Self.products)
    }

    /// The dependencies that the manifest gives each Swift target.
    private func declared() throws -> [String: Set<String>] {
        let manifest = try String(
            contentsOf: Self.root.appending(path: "Package.swift"),
            encoding: .utf8,
        )
        .replacing(/,\s*package: "[^"]*"/, with: "")
        var declared: [String: Set<String>] = [:]
        func add(_ name: Substring, _ dependencies: Substring?) {
            declared[String(name)] = Set(
                (dependencies ?? "").matches(of: /"([^"]+)"/).map { String($0.1) }
            )
        }
        for match in manifest.matches(
            of: /library\(\s*"(\w+)"(?:,\s*\[([^\]]*)\])?(?:,\s*exclude: \[[^\]]*\])?,?\s*\)/
        ) {
            add(match.1, match.2)
        }
        for match in manifest.matches(
            of: /executableTarget\(\s*name: "(\w+)",\s*dependencies: \[([^\]]*)\]/
        ) {
            add(match.1, match.2)
        }
        return declared
    }

    /// Each `import` of a target's files, as (file and line, module).
    private func imports(of target: String) throws -> [(place: String, module: String)] {
        let folder = Self.sources.appending(path: target)
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".swift") }.sorted()
        return try files.flatMap { file in
            try Data(contentsOf: folder.appending(path: file))
                .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
                .compactMap { number, line in
                    Self.module(line).map { ("\(target)/\(file):\(number + 1)", $0) }
                }
        }
    }

    /// The module of an import: `import M`, `package import M`, `@testable import struct M.S`.
    private static func module(_ line: Data) -> String? {
        // Few lines begin like one.
        guard let first = line.first, "@ipf".utf8.contains(first) else { return nil }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard let place = words.prefix(3).firstIndex(of: "import"), place + 1 < words.count else {
            return nil
        }
        let kinds: Set<Substring> = ["struct", "class", "enum", "func", "let", "var", "protocol"]
        let name = kinds.contains(words[place + 1]) ? words.last : words[place + 1]
        return name?.split(separator: ".").first.map(String.init)
    }

    @Test func `every Swift target of the manifest is found, with its imports`() throws {
        let declared = try declared()
        let folders = try modules().subtracting(Self.products).filter {
            name in
            try FileManager.default.subpathsOfDirectory(
                atPath: Self.sources.appending(path: name).path
            )
            .contains { $0.hasSuffix(".swift") }
        }
        #expect(Set(declared.keys) == folders)
        #expect(declared["Torch"] == ["CTorch"])
        #expect(declared["JobStore"]?.contains("GRDB") == true)
        #expect(try imports(of: "Pipelines").contains { $0.module == "Detectors" })
    }

    @Test func `a target imports no module that the manifest does not give it`() throws {
        let modules = try modules()
        for (target, dependencies) in try declared().sorted(by: { $0.key < $1.key }) {
            for (place, module) in try imports(of: target)
            where module != target && modules.contains(module) && !dependencies.contains(module) {
                Issue.record(
                    "\(place) imports \(module), which Package.swift does not give \(target)"
                )
            }
        }
    }

    @Test func `learning never hears of jobs, nor service of tensors`() throws {
        for (targets, strangers) in [
            (Self.learning, Self.service.union(["GRDB"])),
            (
                Self.service,
                Self.learning.subtracting(["SearchSpaces"]).union(["CTorch", "CJPEG"]),
            ),
        ] {
            for target in targets.sorted() {
                for (place, module) in try imports(of: target) where strangers.contains(module) {
                    Issue.record("\(place) imports \(module)")
                }
            }
        }
    }

    /// What a target reaches through its dependencies counts too.
    @Test func `no chain of dependencies leads from service to learning or back`() throws {
        let declared = try declared()
        func below(_ target: String) -> Set<String> {
            (declared[target] ?? []).reduce(into: []) { $0.formUnion(below($1).union([$1])) }
        }
        for target in Self.service {
            #expect(
                below(target).isDisjoint(with: Self.learning.subtracting(["SearchSpaces"])),
                "\(target)",
            )
        }
        for target in Self.learning {
            #expect(below(target).isDisjoint(with: Self.service), "\(target)")
        }
    }
}
