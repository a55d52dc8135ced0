import Foundation
import Testing

@testable import Annotations

/// Reads `text` as an annotation of an image.
private func read(_ content: Data) throws -> VocFile {
    let file = FileManager.default.temporaryDirectory
        .appending(path: "xml-\(UUID().uuidString).xml")
    try content.write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try VocFile(contentsOf: file)
}

private func read(_ text: String) throws -> VocFile { try read(Data(text.utf8)) }

struct XMLScannerTests {
    @Test func `elements, text, references, CDATA, comments and attributes are read`() throws {
        let file = try read(
            """
            \u{FEFF}<?xml version="1.0" encoding="UTF-8"?>\r
            <!-- <annotation> -->
            <annotation verified="a > b" x='"'>\r
              <filename> a &amp; b &lt;1&gt; &#228;&#x41;<![CDATA[ <raw> & ]]></filename>
              <size><width>5</width><height>6<!-- six --></height><depth/></size>
              <source><database>R & D &c; &#x; </database></source>
              <object><name>dog<sub>no</sub></name><bndbox
                ><xmin>1</xmin></bndbox></object >
            </annotation>
            <!-- end -->

            """
        )
        #expect(file.fileName == "a & b <1> äA <raw> &")
        #expect(file.size?.width == "5" && file.size?.height == "6")
        #expect(file.objects.count == 1)
        #expect(file.objects[0].name == "dog")
        #expect(file.objects[0].corners == ["1", nil, nil, nil])
        let plain = try read("<annotation><filename>R&D.jpg</filename></annotation>")
        #expect(plain.fileName == "R&D.jpg")
    }

    @Test func `a file in UTF-16 is read, one in Latin-1 loses no number`() throws {
        let text = "<annotation><filename>ä</filename><object><name>x</name></object></annotation>"
        let wide = try read(try #require(text.data(using: .utf16)))
        #expect(wide.fileName == "ä" && wide.objects.count == 1)
        let narrow = try read(try #require(text.data(using: .isoLatin1)))
        #expect(narrow.fileName == "\u{FFFD}" && narrow.objects.count == 1)
    }

    @Test(arguments: [
        ("", ":1:1: expected the element <annotation>, found the end of the file"),
        ("\0\0\0", ":1:4: expected the element <annotation>"),
        ("{\"a\": 1}", ":1:1: expected the element <annotation>"),
        ("<html></html>", ":1:1: expected the element <annotation>"),
        ("<annotation>\n <object>\n", ":3:1: expected </object>, found the end of the file"),
        ("<annotation>\n <object></annotation>", ":2:10: expected </object>"),
        ("<annotation></annotation><b/>", ":1:26: expected the end of the file"),
        ("<annotation><a", ":1:15: expected a closing >"),
        ("<annotation><a b='", ":1:19: expected a closing >"),
        ("<annotation><a<b>", ":1:15: expected a closing >"),
        ("<annotation><></annotation>", ":1:14: expected the name of an element"),
        ("<annotation><!-- ", ":1:13: expected a closing -->"),
        ("<annotation><![CDATA[ ]]", "expected a closing ]]>"),
        ("<annotation></annotation", "expected a closing >"),
        ("</annotation>", "expected an element"),
    ])
    func `what is no XML is told with line and column`(text: String, message: String) throws {
        let error = #expect(throws: AnnotationError.self) { try read(text) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test func `declarations of entities are refused, so that no file unfolds`() throws {
        for text in [
            #"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><annotation>&b;</annotation>"#,
            #"<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>"#,
            #"<annotation><!ENTITY a SYSTEM "file:///etc/passwd"></annotation>"#,
        ] {
            let error = #expect(throws: AnnotationError.self) { try read(text) }
            #expect(error?.description.contains("DOCTYPE are not read") == true)
        }
    }

    @Test func `deep nesting is an error at its 65th level, not the end of the program`() throws {
        let text = "<annotation>" + String(repeating: "<a>", count: 100_000)
        let error = #expect(throws: AnnotationError.self) { try read(text) }
        #expect(error?.description.contains("at most 64 levels") == true)
    }

    /// Quadratic readers take minutes for these; no time is asked for.
    @Test func `large texts, names, attributes and rows of elements are read or refused`() throws {
        let many = String(repeating: "x", count: 400_000)
        let attributes = (0..<40_000).map { "a\($0)='1'" }.joined(separator: " ")
        #expect(try read("<annotation><name>\(many)</name></annotation>").objects.isEmpty)
        #expect(try read("<annotation><a \(attributes)/></annotation>").objects.isEmpty)
        #expect(try read("<annotation><\(many)/></annotation>").objects.isEmpty)
        let amps = String(repeating: "&", count: 200_000)
        #expect(
            try read("<annotation><filename>\(amps)</filename></annotation>").fileName == amps
        )
        let objects = String(repeating: "<object/>", count: 30_000)
        #expect(try read("<annotation>\(objects)</annotation>").objects.count == 30_000)
        #expect(throws: AnnotationError.self) { try read("<annotation><!--\(many)") }
        let error = #expect(throws: AnnotationError.self) {
            try read(Data(count: VocFile.maxBytes + 1))
        }
        #expect(error?.description.contains("at most \(VocFile.maxBytes) are read") == true)
    }

    /// A sound file with bytes changed, cut out and doubled: read or refused.
    @Test func `no random damage ends the program`() throws {
        let sound = Array(
            """
            <annotation a="b"><filename>x.jpg</filename><size><width>5</width></size><!-- c -->
            <object><name>d&amp;</name><bndbox><xmin>1</xmin><xmax>3</xmax></bndbox></object>
            <![CDATA[ x ]]><object/></annotation>
            """.utf8
        )
        let alphabet = Array("<>/&;!-[]=\"' \0abx".utf8)
        for seed in 0..<1000 as Range<UInt64> {
            var text = sound
            for change in 0..<4 as Range<UInt64> {
                func draw(_ count: Int, _ what: UInt64) -> Int {
                    CounterHash.index(below: count, seed: seed, counter: change * 4 + what)
                }
                let place = draw(text.count, 0)
                switch draw(3, 1) {
                case 0: text[place] = alphabet[draw(alphabet.count, 2)]
                case 1: text.removeSubrange(place..<min(text.count, place + 1 + draw(9, 2)))
                default: text.insert(contentsOf: text[place...].prefix(1 + draw(9, 2)), at: place)
                }
            }
            text.withUnsafeBufferPointer { bytes in
                var xml = XMLScanner(bytes)
                _ = try? VocFile(&xml)
            }
        }
    }
}
