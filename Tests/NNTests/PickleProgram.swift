// Pickles and archives written by hand, to say what PyTorch never would.

/// A pickle under construction.
struct PickleProgram {
    private(set) var bytes: [UInt8] = [0x80, 2]

    static func + (program: PickleProgram, code: [UInt8]) -> PickleProgram {
        var longer = program
        longer.bytes += code
        return longer
    }

    /// Adds STOP.
    var stopped: [UInt8] { bytes + code(".") }
}

/// The bytes of an instruction's letter.
func code(_ letters: String) -> [UInt8] { Array(letters.utf8) }

/// `value`, little-endian.
func word<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
}

/// BINUNICODE.
func text(_ text: String) -> [UInt8] {
    code("X") + word(UInt32(text.utf8.count)) + Array(text.utf8)
}

/// A whole number, as LONG1.
func number(_ value: Int) -> [UInt8] { [0x8A, 8] + word(Int64(value)) }

/// A tuple of whole numbers.
func numbers(_ values: [Int]) -> [UInt8] { code("(") + values.flatMap { number($0) } + code("t") }

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
    global("torch._utils", "_rebuild_tensor_v2") + code("((") + text("storage")
        + global("torch", storage) + text(key) + text("cpu") + number(count) + code("tQ")
        + number(offset) + numbers(shape) + numbers(strides) + [0x89] + code("}tR")
}

/// A pickle of a dict.
func dictionary(_ members: [(String, [UInt8])]) -> [UInt8] {
    code("}(") + members.flatMap { text($0.0) + $0.1 } + code("u")
}

/// A zip archive of stored entries; `method` is what the headers say of all of them.
func archive(_ entries: [(name: String, data: [UInt8])], method: UInt16 = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    for (name, data) in entries {
        let sizes = word(UInt32(data.count)) + word(UInt32(data.count))
        let common =
            word(UInt16(0)) + word(method) + word(UInt32(0)) + word(UInt32(0)) + sizes
            + word(UInt16(name.utf8.count)) + word(UInt16(0))
        directory += code("PK\u{1}\u{2}") + word(UInt32(0)) + common
        directory +=
            [UInt8](repeating: 0, count: 10) + word(UInt32(bytes.count)) + Array(name.utf8)
        bytes += code("PK\u{3}\u{4}") + word(UInt16(0)) + common + Array(name.utf8) + data
    }
    let count = word(UInt16(entries.count))
    let end =
        code("PK\u{5}\u{6}") + word(UInt32(0)) + count + count + word(UInt32(directory.count))
        + word(UInt32(bytes.count)) + word(UInt16(0))
    return bytes + directory + end
}

/// An archive around `pickle` with one storage `0` of four float32.
func checkpoint(_ pickle: [UInt8], byteorder: String = "little") -> [UInt8] {
    archive([
        ("archive/data.pkl", pickle), ("archive/byteorder", code(byteorder)),
        ("archive/data/0", Array(0..<16)),
    ])
}
