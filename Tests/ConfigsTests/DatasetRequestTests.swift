// What is asked for when a data set is registered.

import Testing

@testable import Configs

@Suite struct DatasetRequestTests {
    @Test func `the folder is the name unless it is told`() throws {
        let plain = try DatasetRequest.resolve(["name": "photos"]).get()
        #expect(plain.dataset == "photos" && plain.decode && plain.upload == nil)
        let told = try DatasetRequest.resolve([
            "name": "Photos of May", "folder": "photos", "decode": false,
        ]).get()
        #expect(told.dataset == "photos" && !told.decode)
    }

    @Test(arguments: ["..", ".hidden", "a/b", "a b", "ä", "-x", "a\\b", "a\n", "²", "a:b"])
    func `no folder of such a name is made of an upload`(folder: String) {
        let named = DatasetRequest.resolve(["name": .string(folder), "upload": "up_1"]).violations
        #expect(named.map(\.pointer) == ["/name"], "\(named)")
        let told = DatasetRequest.resolve([
            "name": "fine", "folder": .string(folder), "upload": "up_1",
        ]).violations
        #expect(told.map(\.pointer) == ["/folder"], "\(told)")
    }

    @Test func `every fault is told at once`() {
        let faults = DatasetRequest.resolve([
            "folder": 1, "upload": "", "decode": "yes", "nmae": "x",
        ]).violations
        #expect(
            Set(faults.map(\.pointer)) == ["/name", "/folder", "/upload", "/decode", "/nmae"]
        )
    }
}
