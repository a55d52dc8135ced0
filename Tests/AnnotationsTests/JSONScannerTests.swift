import Foundation
import Testing

@testable import Annotations

/// The values of an array, read one by one.
private func scalars(_ text: String) throws -> [JSONScalar] {
    try Array(text.utf8).withUnsafeBufferPointer { bytes in
        var json = JSONScanner(bytes)
        var values: [JSONScalar] = []
        try json.enterArray()
        while try json.nextElement() { values.append(try json.scalar()) }
        try json.end()
        return values
    }
}

struct JSONScannerTests {
    @Test func `numbers are those that the standard library reads`() throws {
        let texts = [
            "0", "-0.0", "1.5", "0.1", "-12.25e2", "1e22", "1e23", "123456789.123456789", "5E-324",
            "2.2250738585072014e-308", "1.7976931348623157e308", "0.30000000000000004", "1e-7",
            "9007199254740993.0", "12345678901234567890123", "3.141592653589793238462643", "4e00",
        ]
        let values = try scalars("[" + texts.joined(separator: " , ") + "]")
        for (text, value) in zip(texts, values) {
            let number = try #require(value.number)
            #expect(number == Double(text), "\(text)")
        }
    }

    @Test func `whole numbers keep all 64 bits`() throws {
        #expect(
            try scalars("[9223372036854775807,-9223372036854775808,9007199254740993,-5]") == [
                .integer(.max), .integer(.min), .integer(9_007_199_254_740_993), .integer(-5),
            ]
        )
        #expect(try scalars("[9223372036854775808]") == [.double(9_223_372_036_854_775_808)])
        #expect(try scalars("[18446744073709551616]") == [.double(18_446_744_073_709_551_616)])
    }

    @Test func `texts and words are read, containers skipped`() throws {
        let values = try scalars(
            #"["a\n\t\"\\\u0041","é😀","",true,false,null,[[],{"a":[{}]}],Infinity,-Infinity]"#
        )
        #expect(
            values == [
                .string("a\n\t\"\\A"), .string("é😀"), .string(""), .bool(true), .bool(false), .null,
                .container(offset: 47), .double(.infinity), .double(-.infinity),
            ]
        )
        #expect(try scalars("\u{FEFF}[]").isEmpty)
    }

    @Test(arguments: [
        "[1,]", "[1 2]", "[,1]", "[1", "[", "", "[01]", "[1.]", "[.5]", "[1e]", "[-]", "[+1]",
        "[tru]", "[nul", #"["a]"#, #"["\x"]"#, #"["\u12g4"]"#, "[\"a\nb\"]", "[1]x", "[{\"a\"}]",
        "[{\"a\":}]", "[{\"a\":1,}]", "[{a:1}]", "[[1,]]", "[{]", "[}", "{}", #"["\"#, "[1}",
        "[\u{0}]",
    ])
    func `what is not JSON is refused`(text: String) {
        #expect(throws: JSONFault.self) { try scalars(text) }
    }

    @Test func `brackets without end are refused, not followed`() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONFault.self) { try scalars(text) }
        #expect(throws: JSONFault.self) { try scalars(String(repeating: #"[{"a":"#, count: 9999)) }
    }

    @Test(arguments: [
        ("{\n \"images\": [],\n \"annotations\": [{\"id\": 1,, }]}", 3, 27, "\", }]}\""),
        ("{\"images\": [{\"id\": 1}", 1, 22, "the end of the file"),
        ("<xml>", 1, 1, "\"<xml>\""),
        ("{\"images\": {}, \"annotations\": []}", 1, 12, "\"{}, \"annotations\": [\""),
        ("{\"images\": [5]}", 1, 13, "\"5]}\""),
    ])
    func `a broken file is named with line and column`(
        text: String,
        line: Int,
        column: Int,
        found: String,
    ) throws {
        try withFile(text) { file in
            let error = #expect(throws: AnnotationError.self) {
                try CocoDataset.read(contentsOf: file)
            }
            let message = try #require(error).description
            #expect(message.hasPrefix("\(file.path):\(line):\(column): expected "), "\(message)")
            #expect(message.hasSuffix(", found \(found)"), "\(message)")
        }
    }

    @Test func `a file without a list, or no file, is an error that says so`() throws {
        try withFile(#"{"images":[],"categories":[]}"#) { file in
            #expect(throws: AnnotationError.missingList(file: file.path, name: "annotations")) {
                try CocoDataset.read(contentsOf: file)
            }
        }
        let error = #expect(throws: AnnotationError.self) {
            try CocoDataset.read(contentsOf: URL(filePath: "/missing/file.json"))
        }
        let message = try #require(error).description
        #expect(message.hasPrefix("/missing/file.json cannot be read: "))
        #expect(message.contains("No such file"), "\(message)")
    }

    @Test func `no cut of a file crashes the reader`() throws {
        let text =
            #"{"images":[{"id":1,"file_name":"\u00e9"}],"annotations":[{"id":1,"image_id":1,"#
            + #""category_id":1,"bbox":[1.5e1,2,3,4],"segmentation":{"counts":"12"}}],"#
            + #""categories":[{"id":1,"name":"a"}]}"#
        for length in 0..<text.utf8.count {
            let part = String(decoding: text.utf8.prefix(length), as: UTF8.self)
            try withFile(part) { file in
                #expect(throws: AnnotationError.self) { try CocoDataset.read(contentsOf: file) }
            }
        }
    }
}
