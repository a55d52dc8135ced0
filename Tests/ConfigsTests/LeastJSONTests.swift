// What of a spec differs from the defaults.

import Testing

@testable import Configs

@Test(arguments: JobKind.allCases)
func `what differs from the defaults is what was said, and means the same`(kind: JobKind) throws {
    func meaning(_ json: JSONValue) -> JSONValue? {
        try? JobSpec.resolve(kind: kind, json).get().json
    }
    for sample in [Samples.least(kind), Samples.most(kind)] {
        let resolved = try #require(meaning(sample))
        let least = resolved.least(meaning: meaning)
        #expect(meaning(least) == resolved)
        #expect(least.canonical.utf8.count < resolved.canonical.utf8.count)
        // Nothing that is left can be left out.
        for key in (least.object ?? [:]).keys {
            #expect(meaning(least.setting(key, to: nil)) != resolved, "\(key)")
        }
    }
}

@Test func `a default that was spelt out is no difference`() throws {
    let spec = Samples.least(.searchEvolution).setting("population", to: 50)
        .setting("generations", to: 7)
    let least = spec.least { try? JobSpec.resolve(kind: .searchEvolution, $0).get().json }
    #expect(least["population"] == nil && least["generations"] == 7)
    let wrong: JSONValue = ["population": "many"]
    #expect(wrong.least { try? JobSpec.resolve(kind: .searchEvolution, $0).get().json } == wrong)
}
