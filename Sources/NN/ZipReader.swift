// Where the entries of a zip archive lie, for archives that store them as they are.
//
// PyTorch stores every entry uncompressed, always with zip64 records. Checksums are not compared:
// PyTorch can be told to leave them out. Source: PKWARE's APPNOTE, sections 4.3 and 4.5.

/// The entries of a zip archive.
struct ZipDirectory {
    /// The bytes of each entry, by its name.
    private(set) var entries: [String: Range<Int>] = [:]
    private let bytes: UnsafeRawBufferPointer
    private let file: String

    /// Reads the central directory and each entry's own header.
    /// - Throws: `CheckpointError.malformed` for compressed or encrypted entries, names given twice,
    ///   sizes that differ between the two headers, and anything that reaches past the file.
    init(_ bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        self.bytes = bytes
        self.file = file
        var cursor = try centralDirectory()
        while cursor.remaining > 0 {
            let entry = try Entry(&cursor)
            let place = "zip entry \(CheckpointError.quoted(entry.name))"
            guard entry.flags & 1 == 0 else {
                throw cursor.error(place, found: "an encrypted entry", allowed: "plain entries")
            }
            guard entry.method == 0, entry.packed == entry.size else {
                throw cursor.error(
                    place,
                    found: "a compressed entry (method \(entry.method))",
                    allowed: "stored entries, as `torch.save` writes them",
                )
            }
            let range = try data(of: entry, place)
            guard entries.updateValue(range, forKey: entry.name) == nil else {
                throw cursor.error(place, found: "the name twice", allowed: "once")
            }
        }
    }

    /// What the central directory says about one entry.
    private struct Entry {
        let name: String
        let flags: UInt16
        let method: UInt16
        private(set) var packed: UInt64
        private(set) var size: UInt64
        private(set) var header: UInt64

        init(_ cursor: inout ByteCursor) throws(CheckpointError) {
            let place = "zip central directory"
            guard try cursor.integer(UInt32.self, place) == 0x0201_4B50 else {
                throw cursor.error(place, found: "no entry's signature", allowed: "PK\\1\\2")
            }
            _ = try cursor.take(4, place)  // versions
            flags = try cursor.integer(UInt16.self, place)
            method = try cursor.integer(UInt16.self, place)
            _ = try cursor.take(8, place)  // time, date, checksum
            packed = UInt64(try cursor.integer(UInt32.self, place))
            size = UInt64(try cursor.integer(UInt32.self, place))
            let nameLength = Int(try cursor.integer(UInt16.self, place))
            let extraLength = Int(try cursor.integer(UInt16.self, place))
            let commentLength = Int(try cursor.integer(UInt16.self, place))
            _ = try cursor.take(8, place)  // disk, attributes
            header = UInt64(try cursor.integer(UInt32.self, place))
            let name = try cursor.take(nameLength, place)
            guard let text = String(validating: name, as: UTF8.self) else {
                throw cursor.error(place, found: "a name that is no UTF-8", allowed: "UTF-8")
            }
            self.name = text
            var extra = ByteCursor(try cursor.take(extraLength, place), file: cursor.file)
            _ = try cursor.take(commentLength, place)
            try readLongSizes(&extra)
        }

        /// Replaces each saturated field by its 64-bit value.
        private mutating func readLongSizes(_ extra: inout ByteCursor) throws(CheckpointError) {
            let place = "zip entry \(CheckpointError.quoted(name)), extra fields"
            let saturated = UInt64(UInt32.max)
            while extra.remaining >= 4 {
                let kind = try extra.integer(UInt16.self, place)
                let length = Int(try extra.integer(UInt16.self, place))
                var field = ByteCursor(try extra.take(length, place), file: extra.file)
                guard kind == 1 else { continue }
                if size == saturated { size = try field.integer(UInt64.self, place) }
                if packed == saturated { packed = try field.integer(UInt64.self, place) }
                if header == saturated { header = try field.integer(UInt64.self, place) }
            }
        }
    }

    /// The central directory's bytes, found from the end of the file.
    private func centralDirectory() throws(CheckpointError) -> ByteCursor {
        let place = "zip end record"
        let last = bytes.count - 22
        var start = last
        while start >= 0, start >= last - 0xFFFF {
            if bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self) == 0x0605_4B50 { break }
            start -= 1
        }
        guard start >= 0, start >= last - 0xFFFF else {
            throw .malformed(
                file: file,
                place: place,
                found: "none in the last 64 KiB",
                allowed: "one: the file may have been cut short",
            )
        }
        var cursor = ByteCursor(bytes, file: file, offset: start + 12)
        var length = UInt64(try cursor.integer(UInt32.self, place))
        var offset = UInt64(try cursor.integer(UInt32.self, place))
        let locator = start - 20
        if locator >= 0,
            bytes.loadUnaligned(fromByteOffset: locator, as: UInt32.self) == 0x0706_4B50
        {
            cursor = ByteCursor(bytes, file: file, offset: locator + 8)
            let record = try cursor.integer(UInt64.self, place)
            guard record <= UInt64(locator) else {
                throw cursor.error(
                    place,
                    found: "an offset of \(record)",
                    allowed: "0 to \(locator)",
                )
            }
            cursor = ByteCursor(bytes, file: file, offset: Int(record))
            guard try cursor.integer(UInt32.self, place) == 0x0606_4B50 else {
                throw cursor.error(place, found: "no zip64 signature", allowed: "PK\\6\\6")
            }
            _ = try cursor.take(36, place)
            length = try cursor.integer(UInt64.self, place)
            offset = try cursor.integer(UInt64.self, place)
        }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, end <= UInt64(start) else {
            throw cursor.error(
                "zip central directory",
                found: "\(length) bytes from \(offset)",
                allowed: "bytes up to \(start), where the end record begins",
            )
        }
        return ByteCursor(
            UnsafeRawBufferPointer(rebasing: bytes[..<Int(end)]),
            file: file,
            offset: Int(offset),
        )
    }

    /// Where an entry's data lies: after its own header, whose name must agree.
    private func data(of entry: Entry, _ place: String) throws(CheckpointError) -> Range<Int> {
        guard entry.header < UInt64(bytes.count) else {
            throw .malformed(
                file: file,
                place: place,
                found: "a header at byte \(entry.header)",
                allowed: "0 to \(bytes.count)",
            )
        }
        var cursor = ByteCursor(bytes, file: file, offset: Int(entry.header))
        guard try cursor.integer(UInt32.self, place) == 0x0403_4B50 else {
            throw cursor.error(place, found: "no header's signature", allowed: "PK\\3\\4")
        }
        _ = try cursor.take(22, place)
        let nameLength = Int(try cursor.integer(UInt16.self, place))
        let extraLength = Int(try cursor.integer(UInt16.self, place))
        let name = try cursor.take(nameLength, place)
        guard name.elementsEqual(entry.name.utf8) else {
            throw cursor.error(
                place,
                found: "another name in its own header",
                allowed: "the same in both",
            )
        }
        _ = try cursor.take(extraLength, place)
        let start = cursor.offset
        guard entry.size <= UInt64(cursor.remaining) else {
            throw cursor.error(
                place,
                found: "\(entry.size) bytes",
                allowed: "0 to \(cursor.remaining) here",
            )
        }
        return start..<start + Int(entry.size)
    }
}
