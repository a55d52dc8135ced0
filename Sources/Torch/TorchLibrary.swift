// Finds and loads libtorch, and holds what is set once for a whole process or thread.

import CTorch
import Foundation

/// What libtorch, or the search for it, had to say.
package struct TorchError: Error, CustomStringConvertible, Equatable {
    package var description: String

    package init(_ description: String) { self.description = description }
}

package enum TorchLibrary {
    /// Loads libtorch on first use; later calls answer what the first one did.
    ///
    /// The library over it, `libdetnas-torch.so`, lies beside the running program. libtorch itself is looked
    /// for in `$LIBTORCH`, then where the build found it, then on the system's search path.
    /// - Throws: `TorchError` saying what is missing and how to get it.
    package static func load() throws(TorchError) { try loaded.get() }

    private static let loaded: Result<Void, TorchError> = {
        let library = Bundle.main.executableURL?.resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "libdetnas-torch.so").path
        let libtorch = ProcessInfo.processInfo.environment["LIBTORCH"]
        return Result { () throws(TorchError) in
            try open(library ?? "libdetnas-torch.so", libtorch: libtorch)
        }
    }()

    /// Loads `library`, over the libtorch in the folder `libtorch` where one is given.
    static func open(_ library: String, libtorch: String?) throws(TorchError) {
        guard let message = ct_load(library, libtorch) else { return }
        defer { free(message) }
        throw TorchError(
            """
            libtorch could not be loaded (\(String(cString: message))).
            Run deploy/setup, which installs it, or set LIBTORCH to the folder of a libtorch >= 2.8 \
            (the one that holds lib/libtorch_cpu.so).
            """
        )
    }

    /// The version of the loaded libtorch, such as `2.13.0`.
    package static func version() throws(TorchError) -> String {
        var text: UnsafePointer<CChar>?
        try check { ct_version(&text) }
        return text.map { String(cString: $0) } ?? ""
    }

    /// How many CUDA devices this process can use.
    package static func cudaDevices() throws(TorchError) -> Int {
        var count: Int32 = 0
        try check { ct_cuda_count(&count) }
        return Int(count)
    }

    /// Sets how many threads one operation of the calling thread may use.
    package static func setThreads(_ count: Int) throws(TorchError) {
        try check { ct_set_threads(Int32(clamping: count)) }
    }

    /// Denormal floats are taken as zero by the calling thread: they cost a hundred times as much, and say nothing.
    package static func flushDenormals() throws(TorchError) {
        try check { ct_set_denormals_flushed(true) }
    }

    /// Runs a C function; its message becomes the error.
    static func check(_ body: () -> ct_error?) throws(TorchError) {
        try load()
        guard let message = body() else { return }
        defer { free(message) }
        throw TorchError(String(cString: message))
    }
}

/// Runs `body` without recording what a gradient would need.
package func withoutGradients<Result>(_ body: () throws -> Result) throws -> Result {
    var before = false
    try TorchLibrary.check { ct_set_grad_enabled(false, &before) }
    let restored = before
    defer {
        var ignored = false
        try? TorchLibrary.check { ct_set_grad_enabled(restored, &ignored) }
    }
    return try body()
}
