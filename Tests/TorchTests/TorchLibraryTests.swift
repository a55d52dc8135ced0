// How libtorch is found, and what is said when it is not.

import Foundation
import Testing

@testable import Torch

struct TorchLibraryTests {
    private func message(_ library: String, libtorch: String? = nil) -> String {
        do {
            try TorchLibrary.open(library, libtorch: libtorch)
            return "loaded"
        } catch { return error.description }
    }

    @Test func `a missing library is named, with how to get it`() {
        let text = message("/nowhere/libdetnas-torch.so")
        #expect(text.contains("/nowhere/libdetnas-torch.so"))
        #expect(text.contains("Run deploy/setup") && text.contains("LIBTORCH"))
    }

    @Test func `a LIBTORCH without libtorch is named`() {
        #expect(
            message("libm.so.6", libtorch: "/nowhere").contains("/nowhere/lib/libc10.so")
        )
    }

    @Test func `a library that lacks our functions changes nothing for calls already possible`()
        throws
    {
        try TorchLibrary.load()
        #expect(message("libm.so.6").contains("ct_set_threads"))
        #expect(try Tensor.full([2], 3).floats() == [3, 3])
    }

    @Test func `the version is that of a libtorch of at least 2.8`() throws {
        let numbers = try TorchLibrary.version().split(separator: ".").prefix(2)
            .compactMap { Int($0) }
        #expect(numbers.count == 2 && (numbers[0], numbers[1]) >= (2, 8))
    }

    @Test func `a device that is none is refused with what is allowed`() throws {
        #expect(try Device(parsing: "cpu") == .cpu)
        #expect(try Device(parsing: "auto").description.isEmpty == false)
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:0:1", "CPU"] {
            #expect(throws: TorchError("device `\(text)`: allowed are cpu, cuda, cuda:n, auto")) {
                try Device(parsing: text)
            }
        }
        let count = try TorchLibrary.cudaDevices()
        #expect(
            throws: TorchError("device `cuda:99`: this machine has \(count) CUDA device(s)")
        ) {
            try Device(parsing: "cuda:99")
        }
    }
}
