// A machine for the pickles of state dicts that can build values and nothing else.
//
// A pickle is a program for a stack machine, and the general machine can call any function by name.
// This one knows the instructions of protocols 2 to 4 that `torch.save` uses, calls nothing, and
// refuses every name that is not on the list of `PickleGlobal`. Work and memory grow with the length
// of the program alone. Source: the comments of Python's pickletools.

/// Runs one pickle.
struct PickleReader {
    /// What a state dict with 60,000 tensors stays far below.
    static let maximumValues = 1 << 21
    static let maximumMarks = 512

    private(set) var tables = PickleTables()
    var end: Int { cursor.offset }

    private var cursor: ByteCursor
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var pushed = 0

    /// A machine whose program begins at the cursor.
    init(at cursor: ByteCursor) { self.cursor = cursor }

    /// Runs to STOP.
    /// - Returns: the value left on the stack; its containers are in `tables`.
    /// - Throws: `CheckpointError.refused` for a global off the list, `.malformed` for anything else.
    mutating func run() throws(CheckpointError) -> PickleValue {
        while true {
            let code = try cursor.byte("pickle")
            if code == UInt8(ascii: ".") { return try pop() }
            try step(code)
            guard pushed <= Self.maximumValues else {
                throw error(
                    found: "more values than that",
                    allowed: "\(Self.maximumValues) values",
                )
            }
        }
    }

    // MARK: Instructions

    private mutating func step(_ code: UInt8) throws(CheckpointError) {
        switch code {
        case 0x80:  // PROTO
            let version = try cursor.byte("pickle protocol")
            guard (2...4).contains(version) else {
                throw error(found: "pickle protocol \(version)", allowed: "2 to 4")
            }
        case 0x95: _ = try cursor.integer(UInt64.self, "pickle frame")  // FRAME
        case UInt8(ascii: "("):
            guard marks.count < Self.maximumMarks else {
                throw error(
                    found: "nesting deeper than that",
                    allowed: "\(Self.maximumMarks) open marks",
                )
            }
            marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): push(try top())
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "K"): push(.integer(Int(try cursor.byte("pickle"))))
        case UInt8(ascii: "M"): push(.integer(Int(try cursor.integer(UInt16.self, "pickle"))))
        case UInt8(ascii: "J"): push(.integer(Int(try cursor.integer(Int32.self, "pickle"))))
        case 0x8A: push(try long(length: Int(try cursor.byte("pickle"))))
        case 0x8B: push(try long(length: Int(try cursor.integer(Int32.self, "pickle"))))
        case UInt8(ascii: "G"):
            let bits = try cursor.integer(UInt64.self, "pickle").byteSwapped
            push(.real(Double(bitPattern: bits)))
        case UInt8(ascii: "X"), UInt8(ascii: "T"):
            push(.text(try text(length: UInt64(try cursor.integer(UInt32.self, "pickle")))))
        case 0x8C, UInt8(ascii: "U"):
            push(.text(try text(length: UInt64(try cursor.byte("pickle")))))
        case 0x8D: push(.text(try text(length: try cursor.integer(UInt64.self, "pickle"))))
        case UInt8(ascii: "B"):
            try passBytes(UInt64(try cursor.integer(UInt32.self, "pickle")))
        case UInt8(ascii: "C"): try passBytes(UInt64(try cursor.byte("pickle")))
        case 0x8E: try passBytes(try cursor.integer(UInt64.self, "pickle"))
        case UInt8(ascii: ")"): push(sequence: [])
        case UInt8(ascii: "t"): push(sequence: try popToMark())
        case 0x85: push(sequence: try pop(1))
        case 0x86: push(sequence: try pop(2))
        case 0x87: push(sequence: try pop(3))
        case UInt8(ascii: "]"): push(list: [])
        case UInt8(ascii: "l"): push(list: try popToMark())
        case UInt8(ascii: "}"): push(pairs: [])
        case UInt8(ascii: "d"): push(pairs: try pairs(popToMark()))
        case 0x8F: push(.ignored)  // EMPTY_SET
        case 0x91:  // FROZENSET
            _ = try popToMark()
            push(.ignored)
        case UInt8(ascii: "a"): try append(try pop(1))
        case UInt8(ascii: "e"), 0x90: try append(try popToMark())
        case UInt8(ascii: "s"): try set(try pop(2))
        case UInt8(ascii: "u"): try set(try popToMark())
        case UInt8(ascii: "q"): try remember(Int(try cursor.byte("pickle")))
        case UInt8(ascii: "r"): try remember(Int(try cursor.integer(UInt32.self, "pickle")))
        case 0x94: try remember(memo.count)
        case UInt8(ascii: "h"): try recall(Int(try cursor.byte("pickle")))
        case UInt8(ascii: "j"): try recall(Int(try cursor.integer(UInt32.self, "pickle")))
        case UInt8(ascii: "c"):
            let module = try line()
            try name(module: module, name: try line())
        case 0x93:  // STACK_GLOBAL
            let words = try pop(2)
            guard case .text(let module) = words[0], case .text(let name) = words[1] else {
                throw error(found: "a global that is no text", allowed: "module and name")
            }
            try self.name(module: module, name: name)
        case UInt8(ascii: "i"):  // INST: a global and a call in one
            let module = try line()
            throw .refused(file: cursor.file, global: "\(module).\(try line())")
        case UInt8(ascii: "R"), 0x81:  // REDUCE, NEWOBJ
            let call = try pop(2)
            push(try build(call[0], try elements(call[1])))
        case UInt8(ascii: "b"):  // BUILD: attributes, such as a state dict's `_metadata`
            _ = try pop()
            _ = try top()
        case UInt8(ascii: "Q"): push(try storage(try elements(try pop())))
        default:
            throw error(
                found: "instruction 0x\(String(code, radix: 16))",
                allowed: "those of protocols 2 to 4 that state dicts need",
            )
        }
    }

    private mutating func name(module: String, name: String) throws(CheckpointError) {
        guard let global = PickleGlobal(module: module, name: name) else {
            throw .refused(file: cursor.file, global: "\(module).\(name)")
        }
        push(.global(global))
    }

    /// What a call of `callee` would give, for the few that state dicts use.
    private mutating func build(
        _ callee: PickleValue,
        _ arguments: [PickleValue],
    ) throws(CheckpointError) -> PickleValue {
        switch callee {
        case .global(.orderedDictionary):
            var content: [(key: PickleValue, value: PickleValue)] = []
            if let first = arguments.first {
                for pair in try elements(first) {
                    let both = try elements(pair)
                    guard both.count == 2 else {
                        throw error(found: "\(both.count) values", allowed: "a key and a value")
                    }
                    content.append((both[0], both[1]))
                }
                // Pairs can be shared, so this alone could grow faster than the program.
                pushed += content.count
            }
            tables.dictionaries.append(content)
            return .dictionary(tables.dictionaries.count - 1)
        case .global(.size): return arguments.first ?? empty()
        case .global(.rebuildTensor): return try tensor(arguments)
        case .global(.rebuildParameter):
            guard case .tensor? = arguments.first else {
                throw error(
                    found: "a parameter of \(arguments.first?.kind ?? "nothing")",
                    allowed: "a tensor",
                )
            }
            return arguments[0]
        case .global(.passedOver): return .ignored
        default: throw error(found: "a call of \(callee.kind)", allowed: "dicts and tensors")
        }
    }

    private mutating func empty() -> PickleValue {
        tables.sequences.append([])
        return .tuple(tables.sequences.count - 1)
    }

    // MARK: Tensors

    /// `("storage", type, key, device, count[, (key, offset, count) of a part])`.
    private mutating func storage(_ id: [PickleValue]) throws(CheckpointError) -> PickleValue {
        guard id.count >= 5, case .text("storage") = id[0],
            case .global(.storage(let type)) = id[1], case .text(let key) = id[2],
            key.utf8.count <= 256, case .text = id[3], case .integer(let count) = id[4], count >= 0
        else {
            throw error(
                found: "a reference to \(id.first?.kind ?? "nothing")",
                allowed: "(\"storage\", a type, a key, a device, a count)",
            )
        }
        var part = 0..<count
        if id.count > 5, id[5] != .none {
            let view = try elements(id[5])
            guard view.count == 3, case .integer(let start) = view[1],
                case .integer(let length) = view[2], start >= 0, length >= 0, start <= count,
                length <= count - start
            else {
                throw error(
                    found: "a part outside its storage",
                    allowed: "a part of \(count) elements",
                )
            }
            part = start..<start + length
        }
        let storage = PickledStorage(key: key, type: type, count: count, part: part)
        if let known = tables.storageIndex[key], tables.storages[known] == storage {
            return .storage(known)
        }
        tables.storages.append(storage)
        tables.storageIndex[key] = tables.storages.count - 1
        return .storage(tables.storages.count - 1)
    }

    /// `(storage, offset, shape, strides, ...)`; gradients and hooks are passed over.
    private mutating func tensor(_ arguments: [PickleValue]) throws(CheckpointError) -> PickleValue
    {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0],
            case .integer(let offset) = arguments[1], offset >= 0
        else {
            throw error(
                found: "a tensor of \(arguments.first?.kind ?? "nothing")",
                allowed: "(storage, offset from 0, shape, strides)",
            )
        }
        let shape = try dimensions(arguments[2])
        let strides = try dimensions(arguments[3])
        guard shape.count == strides.count else {
            throw error(
                found: "\(strides.count) strides",
                allowed: "\(shape.count), one for a dimension",
            )
        }
        tables.tensors.append(
            PickledTensor(storage: storage, offset: offset, shape: shape, strides: strides)
        )
        return .tensor(tables.tensors.count - 1)
    }

    private func dimensions(_ value: PickleValue) throws(CheckpointError) -> [Int] {
        let values = try elements(value)
        guard values.count <= 64 else {
            throw error(found: "\(values.count) dimensions", allowed: "0 to 64")
        }
        var numbers: [Int] = []
        for element in values {
            guard case .integer(let number) = element, number >= 0 else {
                throw error(found: element.kind, allowed: "whole numbers from 0")
            }
            numbers.append(number)
        }
        return numbers
    }

    // MARK: Stack and memo

    private mutating func push(_ value: PickleValue) {
        stack.append(value)
        pushed += 1
    }

    private mutating func push(sequence: [PickleValue]) {
        tables.sequences.append(sequence)
        push(.tuple(tables.sequences.count - 1))
    }

    private mutating func push(list: [PickleValue]) {
        tables.sequences.append(list)
        push(.list(tables.sequences.count - 1))
    }

    private mutating func push(pairs: [(key: PickleValue, value: PickleValue)]) {
        tables.dictionaries.append(pairs)
        push(.dictionary(tables.dictionaries.count - 1))
    }

    /// The top of the stack, above the last mark.
    private func top() throws(CheckpointError) -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else {
            throw error(found: "an empty stack", allowed: "a value")
        }
        return value
    }

    private mutating func pop() throws(CheckpointError) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func pop(_ count: Int) throws(CheckpointError) -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else {
            throw error(found: "too few values on the stack", allowed: "\(count)")
        }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws(CheckpointError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw error(found: "no mark", allowed: "a mark") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private mutating func remember(_ index: Int) throws(CheckpointError) {
        memo[index] = try top()
        pushed += 1
    }

    private mutating func recall(_ index: Int) throws(CheckpointError) {
        guard let value = memo[index] else {
            throw error(found: "nothing remembered as \(index)", allowed: "what was stored before")
        }
        push(value)
    }

    // MARK: Containers

    private func elements(_ value: PickleValue) throws(CheckpointError) -> [PickleValue] {
        switch value {
        case .tuple(let index), .list(let index): return tables.sequences[index]
        default: throw error(found: value.kind, allowed: "a tuple or a list")
        }
    }

    private mutating func append(_ values: [PickleValue]) throws(CheckpointError) {
        switch try top() {
        case .list(let index): tables.sequences[index] += values
        case .ignored: break
        case let other: throw error(found: "an append to \(other.kind)", allowed: "to a list")
        }
    }

    private mutating func set(_ values: [PickleValue]) throws(CheckpointError) {
        guard case .dictionary(let index) = try top() else {
            throw error(found: "a key set in \(try top().kind)", allowed: "in a dict")
        }
        tables.dictionaries[index] += try pairs(values)
    }

    private func pairs(
        _ values: [PickleValue]
    ) throws(CheckpointError) -> [(key: PickleValue, value: PickleValue)] {
        guard values.count % 2 == 0 else {
            throw error(found: "a key without a value", allowed: "pairs")
        }
        return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
    }

    // MARK: Bytes

    /// A little-endian two's-complement number.
    private mutating func long(length: Int) throws(CheckpointError) -> PickleValue {
        let bytes = try cursor.take(length, "pickle number")
        guard length <= 8 else { return .long(Array(bytes)) }
        var number = 0
        for (place, byte) in bytes.enumerated() { number |= Int(byte) << (8 * place) }
        let unused = 64 - 8 * length
        return .integer(length == 0 ? 0 : (number << unused) >> unused)
    }

    private mutating func text(length: UInt64) throws(CheckpointError) -> String {
        String(decoding: try cursor.take(Int(clamping: length), "pickle text"), as: UTF8.self)
    }

    private mutating func passBytes(_ length: UInt64) throws(CheckpointError) {
        _ = try cursor.take(Int(clamping: length), "pickle bytes")
        push(.ignored)
    }

    /// The text up to the next line feed: half of a GLOBAL.
    private mutating func line() throws(CheckpointError) -> String {
        var bytes: [UInt8] = []
        while true {
            let byte = try cursor.byte("pickle global")
            if byte == 0x0A { return String(decoding: bytes, as: UTF8.self) }
            guard bytes.count < 256 else {
                throw error(found: "a longer name", allowed: "256 bytes")
            }
            bytes.append(byte)
        }
    }

    private func error(found: String, allowed: String) -> CheckpointError {
        cursor.error("pickle", found: found, allowed: allowed)
    }
}
