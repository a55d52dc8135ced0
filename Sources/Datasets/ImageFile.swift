// Pictures from files: JPEG and PNG, told apart by their first bytes, never by their names.

import CJPEG
import Foundation
package import SearchSpaces

/// A picture's file, read but not decoded.
package struct ImageFile {
    /// What the file is.
    package enum Format: Sendable { case jpeg, png }

    /// The path, for messages.
    package let name: String
    package let format: Format
    /// The size as stored, before `orientation` is applied.
    package let storedSize: ImageSize
    package let orientation: Orientation
    private let bytes: [UInt8]

    /// A larger picture is refused before anything is allocated for it: some files of a few kilobytes
    /// unfold to gigabytes.
    package static let maxPixels = 200_000_000

    /// The size of the upright picture.
    package var size: ImageSize { orientation.exchangesSides ? storedSize.transposed : storedSize }

    /// Reads the file at `path` and its header.
    package init(path: String) throws(ImageError) {
        try self.init(bytes: FileBytes.read(path), name: path)
    }

    /// Reads a header; `name` stands for the file in errors.
    package init(bytes: [UInt8], name: String) throws(ImageError) {
        guard let format = Format(bytes) else {
            throw ImageError(
                file: name,
                reason: bytes.isEmpty ? "is empty" : "is not a JPEG or PNG file",
            )
        }
        self.bytes = bytes
        self.name = name
        self.format = format
        var (width, height) = (Int32(0), Int32(0))
        try calling(name) { error in
            switch format {
            case .jpeg: cj_jpeg_size(bytes, bytes.count, &width, &height, error)
            case .png: cj_png_size(bytes, bytes.count, &width, &height, error)
            }
        }
        guard width > 0, height > 0 else {
            throw ImageError(file: name, reason: "has no pixels (\(width) x \(height))")
        }
        let size = ImageSize(height: Int(height), width: Int(width))
        guard size.height * size.width <= Self.maxPixels else {
            throw ImageError(
                file: name,
                reason: "has \(size.text) pixels; at most \(Self.maxPixels) are read",
            )
        }
        storedSize = size
        orientation = format == .jpeg ? bytes.withUnsafeBytes { Orientation(jpeg: $0) } : .upright
    }

    /// The whole picture, upright unless `upright` is false.
    ///
    /// - Parameter atLeast: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is still at
    ///   least this large on both sides; nil decodes it whole. Each side is then divided and rounded
    ///   up. A PNG is never reduced.
    ///
    /// Alpha is dropped, as PIL's `convert("RGB")` does; 16 bits become 8.
    package func decoded(
        atLeast wanted: ImageSize? = nil,
        upright: Bool = true,
    )
        throws(ImageError) -> Image
    {
        let turn = upright ? orientation : .upright
        let denominator = denominator(
            atLeast: turn.exchangesSides ? wanted?.transposed : wanted
        )
        let size = storedSize.reduced(by: denominator)
        let pixels = try pixels(size, channels: 3) { target, error in
            switch format {
            case .jpeg:
                cj_jpeg_decode(
                    bytes,
                    bytes.count,
                    Int32(denominator),
                    target,
                    Int32(size.width),
                    Int32(size.height),
                    error,
                )
            case .png:
                cj_png_decode(
                    bytes,
                    bytes.count,
                    3,
                    target,
                    Int32(size.width),
                    Int32(size.height),
                    error,
                )
            }
        }
        return Image(height: size.height, width: size.width, pixels: pixels).turned(from: turn)
    }

    /// The whole picture of a PNG with its alpha: `[height, width, 4]`, not premultiplied.
    package func decodedWithAlpha() throws(ImageError) -> [UInt8] {
        guard format == .png else { throw ImageError(file: name, reason: "is not a PNG file") }
        return try pixels(storedSize, channels: 4) { target, error in
            cj_png_decode(
                bytes,
                bytes.count,
                4,
                target,
                Int32(storedSize.width),
                Int32(storedSize.height),
                error,
            )
        }
    }

    private func denominator(atLeast wanted: ImageSize?) -> Int {
        guard format == .jpeg, let wanted else { return 1 }
        return [8, 4, 2].first {
            let reduced = storedSize.reduced(by: $0)
            return reduced.height >= wanted.height && reduced.width >= wanted.width
        } ?? 1
    }

    private func pixels(
        _ size: ImageSize,
        channels: Int,
        decode: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<CChar>) -> Int32,
    ) throws(ImageError) -> [UInt8] {
        let total = size.height * size.width * channels
        var failure: ImageError?
        let pixels = [UInt8](unsafeUninitializedCapacity: total) { target, count in
            guard let base = target.baseAddress else { return }
            do throws(ImageError) {
                try calling(name) { decode(base, $0) }
                count = total
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return pixels
    }
}

extension ImageFile.Format {
    fileprivate init?(_ bytes: [UInt8]) {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else {
            return nil
        }
    }
}

extension Image {
    /// Reads the picture at `path`; see `ImageFile.decoded(atLeast:upright:)`.
    package init(path: String, atLeast wanted: ImageSize? = nil) throws(ImageError) {
        self = try ImageFile(path: path).decoded(atLeast: wanted)
    }

    /// The bytes of a baseline JPEG file.
    ///
    /// - Parameters:
    ///   - quality: libjpeg's, `1...100`.
    ///   - fullColour: whether colours keep their full resolution (4:4:4), as thin lines need; else 4:2:0.
    package func jpeg(quality: Int = 88, fullColour: Bool = false) throws(ImageError) -> [UInt8] {
        try encoded("JPEG") { out, size, error in
            cj_jpeg_encode(
                pixels,
                Int32(width),
                Int32(height),
                Int32(quality),
                fullColour ? 1 : 0,
                &out,
                &size,
                error,
            )
        }
    }

    /// The bytes of a PNG file.
    package func png() throws(ImageError) -> [UInt8] {
        try encoded("PNG") { out, size, error in
            cj_png_encode(pixels, Int32(width), Int32(height), 3, &out, &size, error)
        }
    }

    private func encoded(
        _ format: String,
        _ encode: (inout UnsafeMutablePointer<UInt8>?, inout Int, UnsafeMutablePointer<CChar>) ->
            Int32,
    ) throws(ImageError) -> [UInt8] {
        var (bytes, size) = (UnsafeMutablePointer<UInt8>?.none, 0)
        try calling("a \(self.size.text) \(format)") { encode(&bytes, &size, $0) }
        defer { cj_free(bytes) }
        return [UInt8](UnsafeBufferPointer(start: bytes, count: size))
    }
}

/// Runs a C call and turns its message into an error about `name`.
private func calling(
    _ name: String,
    _ call: (UnsafeMutablePointer<CChar>) -> Int32,
) throws(ImageError) {
    var message = [CChar](repeating: 0, count: Int(CJ_ERROR_SIZE))
    guard message.withUnsafeMutableBufferPointer({ $0.baseAddress.map(call) ?? -1 }) != 0 else {
        return
    }
    let text = String(
        decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
        as: UTF8.self,
    )
    throw ImageError(file: name, reason: "cannot be decoded: \(text)")
}

/// A file's content in one read, without Foundation's buffers in between.
package enum FileBytes {
    /// Larger files are not pictures.
    static let maxBytes = 1 << 30

    package static func read(_ path: String) throws(ImageError) -> [UInt8] {
        func failure(_ what: String) -> ImageError {
            ImageError(file: path, reason: "\(what): \(String(cString: strerror(errno)))")
        }
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw errno == ENOENT
                ? ImageError(file: path, reason: "does not exist") : failure("cannot be opened")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("cannot be read") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(file: path, reason: "is not a file")
        }
        guard status.st_size <= maxBytes else {
            throw ImageError(
                file: path,
                reason: "has \(status.st_size) bytes; at most \(maxBytes) are read",
            )
        }
        var failed: ImageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { target, count in
            while count < target.count {
                let got = Foundation.read(
                    file,
                    target.baseAddress.map { $0 + count },
                    target.count - count,
                )
                if got == 0 { break }
                if got < 0 {
                    if errno == EINTR { continue }
                    failed = failure("cannot be read")
                    break
                }
                count += got
            }
        }
        if let failed { throw failed }
        return bytes
    }
}
