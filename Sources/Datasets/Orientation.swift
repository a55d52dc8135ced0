// How a camera was held (Exif 2.3, tag 0x0112), and turning the picture upright.

/// One of the eight ways in which a picture may be stored; the raw value is Exif's.
package enum Orientation: UInt16, Sendable, CaseIterable {
    case upright = 1
    case mirrored, upsideDown, mirroredUpsideDown
    case transposed, turnedLeft, transverse, turnedRight

    /// Whether the upright picture has width and height exchanged.
    package var exchangesSides: Bool { rawValue >= 5 }

    /// The orientation in a JPEG's Exif block; `upright` where there is none, or none that is whole.
    package init(jpeg bytes: UnsafeRawBufferPointer) {
        self = .upright
        var at = 2
        while at + 4 <= bytes.count, bytes[at] == 0xFF {
            let marker = bytes[at + 1]
            if marker == 0xFF {  // fill
                at += 1
                continue
            }
            if marker == 0xDA || marker == 0xD9 { return }
            let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
            guard length >= 2, at + 2 + length <= bytes.count else { return }
            if marker == 0xE1,
                let found = Self(exif: .init(rebasing: bytes[(at + 4)..<(at + 2 + length)]))
            {
                self = found
                return
            }
            at += 2 + length
        }
    }

    /// Reads `Exif\0\0`, a TIFF header and its first directory.
    private init?(exif bytes: UnsafeRawBufferPointer) {
        guard bytes.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) else { return nil }
        let tiff = UnsafeRawBufferPointer(rebasing: bytes[6...])
        guard tiff.count >= 8 else { return nil }
        let little: Bool
        switch (tiff[0], tiff[1]) {
        case (0x49, 0x49): little = true
        case (0x4D, 0x4D): little = false
        default: return nil
        }
        func number(at offset: Int, bytes count: Int) -> Int? {
            guard offset >= 0, offset + count <= tiff.count else { return nil }
            return (0..<count).reduce(0) { value, i in
                value << 8 | Int(tiff[offset + (little ? count - 1 - i : i)])
            }
        }
        guard let directory = number(at: 4, bytes: 4),
            let entries = number(at: directory, bytes: 2)
        else { return nil }
        for entry in 0..<entries {
            let at = directory + 2 + 12 * entry
            guard let tag = number(at: at, bytes: 2) else { return nil }
            guard tag == 0x0112 else { continue }
            guard let value = number(at: at + 8, bytes: 2) else { return nil }
            self.init(rawValue: UInt16(value))
            return
        }
        return nil
    }
}

extension Image {
    /// The picture as it was seen, from one stored in `orientation`.
    package func turned(from orientation: Orientation) -> Image {
        guard orientation != .upright else { return self }
        let size = orientation.exchangesSides ? self.size.transposed : self.size
        // The stored place of the upright picture's (0, 0), and the steps to its neighbours.
        let (right, down) = (3, 3 * width)
        let (lastX, lastY) = (right * (width - 1), down * (height - 1))
        let (start, stepX, stepY) =
            switch orientation {
            case .upright: (0, right, down)
            case .mirrored: (lastX, -right, down)
            case .upsideDown: (lastX + lastY, -right, -down)
            case .mirroredUpsideDown: (lastY, right, -down)
            case .transposed: (0, down, right)
            case .turnedLeft: (lastY, -down, right)
            case .transverse: (lastX + lastY, -down, -right)
            case .turnedRight: (lastX, down, -right)
            }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
            pixels.withUnsafeBufferPointer { source in
                var at = 0
                for y in 0..<size.height {
                    var from = start + y * stepY
                    for _ in 0..<size.width {
                        target[at] = source[from]
                        target[at + 1] = source[from + 1]
                        target[at + 2] = source[from + 2]
                        at += 3
                        from += stepX
                    }
                }
            }
            count = pixels.count
        }
        return Image(height: size.height, width: size.width, pixels: turned)
    }
}
