// What a pickle of a state dict is made of. Nothing here can run: a global is a word on a list.
//
// Containers live in tables and are named by their index, so that a pickle which nests a million
// tuples, or a dictionary in itself, costs neither stack nor leaked memory.

/// A value that a pickle made.
enum PickleValue: Equatable {
    case none
    case bool(Bool)
    case integer(Int)
    /// A whole number beyond 64 bits: its little-endian bytes.
    case long([UInt8])
    case real(Double)
    case text(String)
    /// Something that has no part in a state dict: bytes, sets, devices, hooks.
    case ignored
    case global(PickleGlobal)
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    case storage(Int)
    case tensor(Int)

    /// What it is, for errors.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool(let flag): flag ? "True" : "False"
        case .integer(let number): "\(number)"
        case .long: "a number beyond 64 bits"
        case .real(let number): "\(number)"
        case .text(let text): CheckpointError.quoted(text)
        case .ignored: "an object without tensors"
        case .global(let global): "the global \(global)"
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dict"
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// The globals that state dicts name, and what stands for each here.
enum PickleGlobal: Equatable {
    /// `collections.OrderedDict`.
    case orderedDictionary
    /// `torch.Size`.
    case size
    /// `torch.FloatStorage` and its like.
    case storage(ElementType)
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    case rebuildTensor
    /// `torch._utils._rebuild_parameter` and `_rebuild_parameter_with_state`.
    case rebuildParameter
    /// Devices, dtypes, sets, encoded bytes: their makers and what those make are passed over.
    case passedOver

    /// The global `module.name`, or nil where it is no part of state dicts.
    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch", "Size"): self = .size
        case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"):
            self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"),
            ("torch._utils", "_rebuild_parameter_with_state"):
            self = .rebuildParameter
        case ("torch", _), ("torch.cuda", _):
            if let type = Self.storages[name] {
                self = .storage(type)
            } else if module == "torch", Self.inert.contains(name) {
                self = .passedOver
            } else {
                return nil
            }
        case ("torch.serialization", "_get_layout"), ("_codecs", "encode"), ("builtins", "set"),
            ("__builtin__", "set"):
            self = .passedOver
        default: return nil
        }
    }

    private static let storages: [String: ElementType] = [
        "DoubleStorage": .float64, "FloatStorage": .float32, "HalfStorage": .float16,
        "BFloat16Storage": .bfloat16, "LongStorage": .int64, "IntStorage": .int32,
        "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8, "BoolStorage": .bool,
    ]

    private static let inert: Set<String> = [
        "device", "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
        "uint8", "bool",
    ]
}

/// A tensor's elements as a pickle names them; the bytes lie elsewhere in the file.
struct PickledStorage: Equatable {
    let key: String
    let type: ElementType
    /// Elements of the whole storage.
    let count: Int
    /// The part of it that this is, for the oldest files.
    let part: Range<Int>
}

/// A view of a storage: element `(i, j, ...)` is at `offset + i * strides[0] + j * strides[1] + ...`.
struct PickledTensor: Equatable {
    let storage: Int
    let offset: Int
    let shape: [Int]
    let strides: [Int]
}

/// The containers that a pickle made.
struct PickleTables {
    var sequences: [[PickleValue]] = []
    /// Pairs in the order they were set.
    var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    var storages: [PickledStorage] = []
    var tensors: [PickledTensor] = []
    /// The last storage of each key: a file names a storage once for each tensor that views it.
    var storageIndex: [String: Int] = [:]
}
