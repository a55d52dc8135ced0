// Values that are members of something else, read from the document rather than from the decoder.

import Configs
import Foundation
import Testing

@testable import Jobs

@Suite struct JSONTests {
    private let value: JSONValue = [
        "5": ["6": [1, 2.5, nil, "x", true, ["7": [[]]]]], "a/b": [:], "data": [["data": -1]],
    ]

    @Test func `a job is read as it was written, also names that are numbers`() throws {
        var job = Job(kind: .supernetPretrain, spec: value)
        job.space = value
        let data = try JSON.data(job)
        let read = try JSON.read(Job.self, from: data)
        #expect(read.spec == value && read.space == value)
        #expect(try JSON.data(read) == data)
        // As the decoder alone would have it.
        struct Bare: Decodable { var spec: JSONValue }
        #expect(try JSON.read(Bare.self, from: data).spec == value)
    }

    @Test func `what is nested deeper than the reader goes is read all the same`() throws {
        let deep = (0..<40).reduce(JSONValue.int(1)) { inner, _ in [inner] }
        let event = NewEvent("metric", ["deep": deep])
        #expect(try JSON.read(NewEvent.self, from: JSON.data(event)) == event)
        #expect(try JSON.read(JSONValue.self, from: JSON.data(deep)) == deep)
    }

    @Test(arguments: ["", "{", #"{"ts": "x", "type": "y", "data": }"#, #"{"ts": 1}"#])
    func `what is no event is an error`(text: String) {
        #expect(throws: DecodingError.self) {
            try JSON.read(NewEvent.self, from: Data(text.utf8))
        }
    }
}
