// Pickles and archives written by hand, to say what PyTorch never would.

/// `parts` in a row.
func joined(_ parts: [UInt8]...) -> [UInt8] { Array(parts.joined()) }

/// A pickle: PROTO, `parts`, STOP.
func program(_ parts: [UInt8]...) -> [UInt8] {
    joined([0x80, 2], Array(parts.joined()), code("."))
}

/// The bytes of an instruction's letter.
func code(_ letters: String) -> [UInt8] { Array(letters.utf8) }

/// `value`, little-endian.
func word<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
}

/// BINUNICODE.
func text(_ text: String) -> [UInt8] {
    joined(code("X"), word(UInt32(text.utf8.count)), code(text))
}

/// A whole number, as LONG1.
func number(_ value: Int) -> [UInt8] { joined([0x8A, 8], word(Int64(value))) }

/// A tuple of whole numbers.
func numbers(_ values: [Int]) -> [UInt8] {
    joined(code("("), values.flatMap { number($0) }, code("t"))
}

/// GLOBAL.
func global(_ module: String, _ name: String) -> [UInt8] { code("c\(module)\n\(name)\n") }

/// A float32 tensor, as `torch.save` writes one.
func tensor(
    key: String = "0",
    count: Int = 4,
    offset: Int = 0,
    shape: [Int] = [2, 2],
    strides: [Int] = [2, 1],
    storage: String = "FloatStorage",
) -> [UInt8] {
    joined(
        global("torch._utils", "_rebuild_tensor_v2"),
        code("(("),
        text("storage"),
        global("torch", storage),
        text(key),
        text("cpu"),
        number(count),
        code("tQ"),
        number(offset),
        numbers(shape),
        numbers(strides),
        [0x89],
        code("}tR"),
    )
}

/// A dict.
func dictionary(_ members: [(String, [UInt8])]) -> [UInt8] {
    joined(code("}("), members.flatMap { joined(text($0.0), $0.1) }, code("u"))
}

/// A zip archive of stored entries; `method` is what the headers say of all of them.
func archive(_ entries: [(name: String, data: [UInt8])], method: UInt16 = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    let nothing = [UInt8](repeating: 0, count: 8)
    for (name, data) in entries {
        let size = word(UInt32(data.count))
        let common = joined(
            [0, 0],
            word(method),
            nothing,
            size,
            size,
            word(UInt16(name.utf8.count)),
            [0, 0],
        )
        directory += joined(code("PK\u{1}\u{2}"), [0, 0, 0, 0], common, nothing, [0, 0])
        directory += joined(word(UInt32(bytes.count)), code(name))
        bytes += joined(code("PK\u{3}\u{4}"), [0, 0], common, code(name), data)
    }
    let count = word(UInt16(entries.count))
    return joined(
        bytes,
        directory,
        code("PK\u{5}\u{6}"),
        [0, 0, 0, 0],
        count,
        count,
        word(UInt32(directory.count)),
        word(UInt32(bytes.count)),
        [0, 0],
    )
}

/// An archive around `pickle` with one storage `0` of four float32.
func checkpoint(_ pickle: [UInt8], byteorder: String = "little") -> [UInt8] {
    archive([
        ("archive/data.pkl", pickle), ("archive/byteorder", code(byteorder)),
        ("archive/data/0", Array(0..<16)),
    ])
}
