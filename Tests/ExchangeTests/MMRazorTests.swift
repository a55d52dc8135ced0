import Exchange
import Foundation
import SearchSpaces
import Testing

/// The published lists: DetNAS's code, its README and comments, Single Path One-Shot, MMRazor 0.x and 1.x.
private let published = [
    ("detnas-300m", "2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2"),  // COCO, FPN
    ("detnas-300m", "2,3,1,1,3,2,1,3,3,1,1,1,3,3,2,0,3,3,3,3"),  // COCO, RetinaNet
    ("detnas-300m", "2,1,0,3,1,3,0,3,2,0,1,1,3,3,3,3,3,3,3,1"),  // VOC, FPN
    ("detnas-300m", "1,3,0,0,2,3,3,3,2,3,3,3,3,2,2,0,2,3,1,1"),  // VOC, RetinaNet
    ("detnas-300m", "0,0,0,1,2,0,3,3,1,2,2,2,3,3,3,1,3,2,3,2"),  // COCO, FPN, in a comment
    (
        "detnas-1.3g",
        "0,0,3,1,2,1,0,2,0,3,1,2,3,3,2,0,2,1,1,3,2,0,2,2,2,1,3,1,0,3,3,3,1,3,3,3,3,3,3,3",
    ),
    (
        "detnas-3.8g",
        "0,0,3,1,2,1,0,2,0,3,1,2,3,3,2,0,2,1,1,3,2,0,2,2,2,1,3,1,0,3,3,3,1,3,3,3,3,3,3,3",
    ),
    ("detnas-300m", "2,1,0,1,2,0,2,0,2,0,2,3,0,0,0,0,3,2,3,3"),  // Single Path One-Shot
    ("detnas-300m", "1,0,0,0,3,0,3,2,2,2,3,3,0,2,1,3,2,2,2,1"),  // MMRazor's DetNAS
    ("detnas-300m", "2,0,2,0,3,1,1,0,0,1,0,1,0,3,1,2,2,0,1,3"),  // MMRazor's Single Path One-Shot
]

/// Four blocks, one a stage.
private let small = SearchSpace(
    name: "small",
    stem: 4,
    stages: [8, 16, 32, 64].map { .init(width: $0, blocks: 1) },
)

private func read(_ text: String, as form: MMRazorForm? = nil) throws -> String {
    try MMRazorArchitecture.read(text, in: small, as: form, file: "a.yaml").description
}

/// What reading `text` says is wrong; nil where nothing is.
private func complaint(_ text: String, as form: MMRazorForm? = nil) -> String? {
    do {
        _ = try read(text, as: form)
        return nil
    } catch {
        return "\(error)"
    }
}

/// A file whose last entry is `last`.
private func file(_ last: String) -> String {
    "layers.0.0: {chosen: shuffle_3x3}\nlayers.1.0: {chosen: shuffle_5x5}\n"
        + "layers.2.0: {chosen: shuffle_7x7}\n" + last
}

struct MMRazorTests {
    @Test(arguments: published, MMRazorForm.allCases)
    func `every published list comes back from either form as the same integers`(
        list: (space: String, genome: String),
        form: MMRazorForm,
    ) throws {
        let space = try #require(SearchSpace.named[list.space])
        let genome = try Genome(parsing: list.genome, in: space)
        let text = try MMRazorArchitecture.write(genome, in: space, as: form)
        #expect(text.split(separator: "\n").count == space.length * (form == .v0 ? 3 : 2))
        for asked in [nil, form] {
            let back = try MMRazorArchitecture.read(text, in: space, as: asked, file: "a.yaml")
            #expect(back.description == list.genome)
        }
        let prefixed = text.replacing("backbone.", with: "architecture.backbone.")
        let bare = text.replacing("backbone.", with: "")
        for text in [prefixed, bare] {
            let back = try MMRazorArchitecture.read(text, in: space, file: "a.yaml")
            #expect(back.description == list.genome)
        }
    }

    @Test func `both forms are written as MMRazor writes them`() throws {
        let genome = Genome([2, 0, 1, 3])
        #expect(
            try MMRazorArchitecture.write(genome, in: small, as: .v0).hasPrefix(
                "stage_0_block_0:\n  chosen:\n  - shuffle_7x7\nstage_1_block_0:\n  chosen:\n"
            )
        )
        #expect(
            try MMRazorArchitecture.write(genome, in: small, as: .v1) == """
                backbone.layers.0.0:
                  chosen: shuffle_7x7
                backbone.layers.1.0:
                  chosen: shuffle_3x3
                backbone.layers.2.0:
                  chosen: shuffle_5x5
                backbone.layers.3.0:
                  chosen: shuffle_xception

                """
        )
    }

    @Test func `order, blanks, quotes, comments, lists and older names make no difference`() throws
    {
        let text = """
            # a comment & more!
            backbone.layers.3.0:
                chosen:    ShuffleXception   # a comment * here
            architecture.backbone.layers.1.0:
              chosen:
              -   ShuffleBlock_5x5
            layers.2.0: {chosen: [ShuffleBlock_7x7]}
            stage_0_block_0:
              chosen: ShuffleBlock_3x3
            """
        #expect(try read(text) == "0,1,2,3")
        #expect(try read(text.replacing("\n", with: "\r\n")) == "0,1,2,3")
        #expect(try read(file("'layers.3.0': {\"chosen\": ' shuffle_xception '}")) == "0,1,2,3")
    }

    // MARK: What is refused

    private static let wrong: [(String, [String])] = [
        ("", ["block 0 of stage 3: found no entry", "`backbone.layers.3.0`"]),
        (
            "layers.3.1: {chosen: shuffle_3x3}",
            ["line 4: found `layers.3.1`", "their blocks 0 to 0"],
        ),
        ("layers.4.0: {chosen: shuffle_3x3}", ["line 4: found `layers.4.0`", "stages 0 to 3"]),
        ("layers.03.0: {chosen: shuffle_3x3}", ["line 4: found `layers.03.0`"]),
        ("layers.99999999999999999999.0: {chosen: shuffle_3x3}", ["line 4: found `layers.999"]),
        ("head.layers.3.0: {chosen: shuffle_3x3}", ["line 4: found `head.layers.3.0`"]),
        ("3: {chosen: shuffle_3x3}", ["line 4: found `3`"]),
        ("[a, b]: {chosen: shuffle_3x3}", ["line 4: found a list of 2"]),
        ("? {a: b}\n: {chosen: shuffle_3x3}", ["line 4: found a mapping of 1"]),
        (
            "stage_2_block_0: {chosen: shuffle_3x3}",
            ["line 4, `stage_2_block_0`: found block 2 again, after line 3", "each block once"],
        ),
        ("layers.2.0: {chosen: shuffle_3x3}", ["line 3, `layers.2.0`", "repeated"]),
        ("layers.3.0: {chosen: a, chosen: b}", ["`chosen`", "repeated"]),
        (
            "layers.3.0: {chosen: shuffle_9x9}",
            [
                "line 4, `layers.3.0`, chosen: found `shuffle_9x9`",
                "allowed: shuffle_3x3, shuffle_5x5, shuffle_7x7, shuffle_xception",
            ],
        ),
        ("layers.3.0: {chosen: 3}", ["chosen: found `3`"]),
        ("layers.3.0: {chosen: null}", ["chosen: found `null`"]),
        ("layers.3.0: {chosen: }", ["chosen: found ``"]),
        ("layers.3.0: {chosen: []}", ["chosen: found a list of 0", "one name"]),
        ("layers.3.0: {chosen: [shuffle_3x3, shuffle_5x5]}", ["chosen: found a list of 2"]),
        ("layers.3.0: {chosen: [[shuffle_3x3]]}", ["chosen: found a list of 1"]),
        ("layers.3.0: {chosen: {chosen: shuffle_3x3}}", ["chosen: found a mapping of 1"]),
        ("layers.3.0: shuffle_3x3", ["line 4, `layers.3.0`: found `shuffle_3x3`", "`chosen`"]),
        ("layers.3.0:", ["line 4, `layers.3.0`: found ``"]),
        ("layers.3.0: {}", ["found the keys ", "the one key `chosen`"]),
        ("layers.3.0: {choose: shuffle_3x3}", ["found the keys `choose`"]),
        ("layers.3.0: {chosen: shuffle_3x3, meta: 1}", ["found the keys `chosen`, `meta`"]),
        ("layers.3.0: &a {chosen: shuffle_3x3}", ["line 4: found `&`", "without anchors"]),
        ("layers.3.0: {chosen: *a}", ["line 4: found `*`"]),
        ("layers.3.0: {chosen: !!str shuffle_3x3}", ["line 4: found `!`"]),
        ("layers.3.0: {\"a # b\": &a [1], chosen: shuffle_3x3}", ["line 4: found `&`"]),
        ("layers.3.0: {a: x\u{A0}#, b: &a [1]}", ["line 4: found `&`"]),
        ("layers.3.0: {a: &\u{301}x [1]}", ["line 4: found `&`"]),
        ("layers.3.0: {chosen: shuffle_3x3", ["line ", "broken YAML"]),
        ("layers.3.0: {chosen: shuffle_3x3}\n---\na: b", ["line 5", "another document"]),
        ("layers.3.0: \u{1}", ["broken YAML"]),
        ("layers.3.0: " + String(repeating: "[", count: 5000), ["line 4", "17 lists in a line"]),
        (String(repeating: "- ", count: 5000), ["line 4", "17 lists in a line"]),
    ]

    @Test(arguments: wrong)
    func `a wrong entry is an error with its place, its value and what is allowed`(
        last: String,
        words: [String],
    ) throws {
        let message = try #require(complaint(file(last)))
        for word in words { #expect(message.contains(word), "\(message)") }
    }

    @Test func `every fault of a file is told at once`() throws {
        let message = try #require(complaint("layers.0.0: {chosen: 9}\nlayers.9.0: {chosen: a}"))
        #expect(message.hasPrefix("a.yaml: 5 faults\n"))
    }

    @Test(arguments: [
        ("", "an empty document"), ("just words", "found `just words`"),
        ("- a\n- b", "found a list of 2"),
        (String(repeating: "#", count: 70_000), "70000 bytes"),
    ])
    func `what is no mapping is refused`(text: String, words: String) throws {
        let message = try #require(complaint(text))
        #expect(message.contains(words), "\(message)")
    }

    @Test func `lists in lists as deep as YAML has them cost no stack`() throws {
        var deep = ""
        for level in 0..<330 { deep += String(repeating: " ", count: level) + "a:\n" }
        #expect(complaint(deep) != nil)
        #expect(complaint(String(repeating: "[[[[[[[[[[[[[[[[\n", count: 400)) != nil)
    }

    @Test func `a form that was asked for refuses the keys of the other`() throws {
        let v0 = try MMRazorArchitecture.write(Genome([0, 1, 2, 3]), in: small, as: .v0)
        let v1 = try MMRazorArchitecture.write(Genome([0, 1, 2, 3]), in: small, as: .v1)
        #expect(try read(v0, as: .v0) == "0,1,2,3")
        #expect(try read(v1, as: .v1) == "0,1,2,3")
        #expect(complaint(v0, as: .v1)?.contains("line 1: found `stage_0_block_0`") == true)
        #expect(complaint(v1, as: .v0)?.contains("line 1: found `backbone.layers.0.0`") == true)
    }

    @Test func `an operation that the space has not is refused`() throws {
        let space = SearchSpace(
            name: "plain",
            stem: 4,
            stages: small.stages,
            operations: [.shuffle5x5, .shuffle3x3],
        )
        let text = file("layers.3.0: {chosen: shuffle_3x3}")
        #expect(throws: ExchangeError.self) {
            try MMRazorArchitecture.read(text, in: space, file: "a.yaml")
        }
        let genome = try MMRazorArchitecture.read(
            text.replacing("7x7", with: "5x5"),
            in: space,
            file: "a.yaml",
        )
        #expect(genome.description == "1,0,0,1")
    }
}

struct ArchitectureFileTests {
    private func written(_ text: String) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "a-\(UUID()).txt")
        try Data(text.utf8).write(to: url)
        return url
    }

    @Test(arguments: ArchitectureForm.allCases, ArchitectureForm.allCases)
    func `an architecture goes from any form to any other and back`(
        one: ArchitectureForm,
        other: ArchitectureForm,
    ) throws {
        let start = try Architecture(space: small, genome: Genome([3, 1, 0, 2]))
        var architecture = start
        for form in [one, other, one] {
            let url = try written(ArchitectureFile.text(architecture, as: form))
            defer { try? FileManager.default.removeItem(at: url) }
            architecture = try ArchitectureFile.read(url, in: small)
            #expect(try ArchitectureFile.read(url, as: form, in: small) == architecture)
        }
        #expect(architecture == start)
    }

    @Test func `JSON brings its space, and is refused in another`() throws {
        let architecture = try Architecture(space: small, genome: Genome([3, 1, 0, 2]))
        let url = try written(ArchitectureFile.text(architecture, as: .json))
        defer { try? FileManager.default.removeItem(at: url) }
        #expect(try ArchitectureFile.read(url, in: nil) == architecture)
        let other = try #require(SearchSpace.named["detnas-300m"])
        let error = #expect(throws: ExchangeError.self) {
            try ArchitectureFile.read(url, in: other)
        }
        #expect(error?.description.contains("found small; allowed: detnas-300m") == true)
    }

    @Test(arguments: [
        ("2,1,0", "found `2,1,0`"), ("2,1,0,4", "\"4\""), ("{\"space\": 1}", "JSON: found"),
        ("{", "JSON: found"), ("", "genome"),
    ])
    func `a file that is no architecture is an error`(text: String, words: String) throws {
        let url = try written(text)
        defer { try? FileManager.default.removeItem(at: url) }
        let error = #expect(throws: ExchangeError.self) {
            try ArchitectureFile.read(url, in: small)
        }
        #expect(error?.description.contains(words) == true)
    }

    @Test func `a word without a space, a missing file and wrong bytes are errors`() throws {
        let url = try written("2,1,0,3")
        defer { try? FileManager.default.removeItem(at: url) }
        #expect(throws: ExchangeError.self) { try ArchitectureFile.read(url, in: nil) }
        #expect(throws: ExchangeError.self) {
            try ArchitectureFile.read(URL(filePath: "/no/such/file"), in: small)
        }
        try Data([0xFF, 0xFE]).write(to: url)
        #expect(throws: ExchangeError.self) { try ArchitectureFile.read(url, in: small) }
    }
}
