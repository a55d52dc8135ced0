// Objects as tables of fields. One table reads an object, writes it back, knows which keys exist,
// and keeps the rules between fields; the defaults stay where the type declares them.

/// A type that is a JSON object.
protocol Fielded {
    /// The value before its fields are read: every default, and something for required fields, which
    /// nobody sees as a missing one is a violation.
    static var blank: Self { get }
    static var fields: [Field<Self>] { get }
    static var rules: [Rule<Self>] { get }
}

extension Fielded {
    static var rules: [Rule<Self>] { [] }
}

/// One member of an object.
struct Field<Root> {
    let name: String
    let isRequired: Bool
    let schema: JSONValue
    /// Reads the member into the object.
    let read: (JSONValue, _ place: String, inout [Violation], inout Root) -> Void
    let write: (Root) -> JSONValue

    init<Value>(
        _ name: String,
        _ path: WritableKeyPath<Root, Value>,
        _ form: Form<Value>,
        required: Bool = false,
    ) {
        self.name = name
        isRequired = required
        schema = form.schema
        read = { json, place, faults, root in
            if let value = form.read(json, place, &faults) { root[keyPath: path] = value }
        }
        write = { form.write($0[keyPath: path]) }
    }
}

extension Field {
    /// A field of a part of `Whole` as a field of the whole, for as long as the whole has that part.
    fileprivate func lifted<Whole>(
        _ embed: @escaping (Root) -> Whole,
        _ extract: @escaping (Whole) -> Root?,
    ) -> Field<Whole> {
        Field<Whole>(name: name, isRequired: isRequired, schema: schema) {
            json,
            place,
            faults,
            whole in
            guard var part = extract(whole) else { return }
            read(json, place, &faults, &part)
            whole = embed(part)
        } write: {
            extract($0).map(write) ?? .null
        }
    }

    private init(
        name: String,
        isRequired: Bool,
        schema: JSONValue,
        read: @escaping (JSONValue, String, inout [Violation], inout Root) -> Void,
        write: @escaping (Root) -> JSONValue,
    ) {
        self.name = name
        self.isRequired = isRequired
        self.schema = schema
        self.read = read
        self.write = write
    }
}

/// Something that must hold between fields, each of them fine alone.
struct Rule<Root> {
    /// Those that the rule looks at, such as `schedule/at`. The first is blamed; with none, the
    /// object is. The rule is not asked when one of them is already at fault.
    let fields: [String]
    let code: Violation.Code
    let allowed: String?
    /// What is wrong; nil where the rule holds.
    let fault: (Root) -> String?

    init(
        _ fields: String...,
        code: Violation.Code = .conflict,
        allowed: String? = nil,
        fault: @escaping (Root) -> String?,
    ) {
        self.fields = fields
        self.code = code
        self.allowed = allowed
        self.fault = fault
    }

    private init(
        fields: [String],
        code: Violation.Code,
        allowed: String?,
        fault: @escaping (Root) -> String?,
    ) {
        self.fields = fields
        self.code = code
        self.allowed = allowed
        self.fault = fault
    }

    fileprivate func lifted<Whole>(_ extract: @escaping (Whole) -> Root?) -> Rule<Whole> {
        Rule<Whole>(fields: fields, code: code, allowed: allowed) { extract($0).flatMap(fault) }
    }

    func check(_ root: Root, at place: String, _ faults: inout [Violation]) {
        let pointers = fields.map { "\(place)/\($0)" }
        let isBlocked = faults.contains { fault in
            pointers.contains { isWithin($0, fault.pointer) || isWithin(fault.pointer, $0) }
        }
        if !isBlocked, let detail = fault(root) {
            faults.append(Violation(pointers.first ?? place, code, detail, allowed: allowed))
        }
    }

    private func isWithin(_ pointer: String, _ other: String) -> Bool {
        pointer == other || pointer.hasPrefix(other + "/")
    }
}

/// A JSON object as a table; `others` are keys that somebody else reads.
struct Table<Root> {
    let blank: Root
    let fields: [Field<Root>]
    var rules: [Rule<Root>] = []
    var others: [String] = []

    /// Reads an object. Notes every unknown, missing and wrong member, then every broken rule.
    func read(_ json: JSONValue, _ place: String, _ faults: inout [Violation]) -> Root? {
        guard let members = json.object else {
            faults.append(wrongType(json, place, expected: "an object"))
            return nil
        }
        let before = faults.count
        let names = others + fields.map(\.name)
        let absent = names.filter { members[$0] == nil }
        for key in members.keys.filter({ !names.contains($0) }).sorted().prefix(32) {
            let detail = "no such field\(suggestion(for: key, among: absent))"
            let allowed = named(names)
            faults.append(
                Violation(pointer(place, key), .unknownField, detail, allowed: allowed)
            )
        }
        var root = blank
        for field in fields {
            if let member = members[field.name] {
                field.read(member, pointer(place, field.name), &faults, &root)
            } else if field.isRequired {
                faults.append(
                    Violation(pointer(place, field.name), .missing, "this field is required")
                )
            }
        }
        for rule in rules { rule.check(root, at: place, &faults) }
        return faults.count == before ? root : nil
    }

    /// The fields with their defaults; `others` are left to whoever reads them.
    var schema: [String: JSONValue] {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            var schema = field.schema.object ?? [:]
            if !field.isRequired { schema["default"] = field.write(blank) }
            properties[field.name] = .object(schema)
        }
        for name in others { properties[name] = [:] }
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        return [
            "type": "object", "properties": .object(properties), "required": .array(required),
            "additionalProperties": false,
        ]
    }

    func members(_ root: Root) -> [String: JSONValue] {
        Dictionary(fields.map { ($0.name, $0.write(root)) }) { first, _ in first }
    }
}

extension Form where Value: Fielded {
    /// An object with the fields of the type.
    static var object: Form {
        let table = Table(blank: Value.blank, fields: Value.fields, rules: Value.rules)
        return Form(schema: .object(table.schema), read: table.read) { .object(table.members($0)) }
    }
}

/// One of several forms of an object, told apart by its member `kind`.
struct Variant<Value> {
    let name: String
    let table: Table<Value>
    let matches: (Value) -> Bool

    init(
        _ name: String,
        _ blank: Value,
        _ fields: [Field<Value>],
        rules: [Rule<Value>] = [],
        matches: @escaping (Value) -> Bool,
    ) {
        self.name = name
        self.matches = matches
        table = Table(blank: blank, fields: fields, rules: rules, others: ["kind"])
    }

    /// A case whose payload is an object of its own.
    init<Payload: Fielded>(
        _ name: String,
        _ embed: @escaping (Payload) -> Value,
        _ extract: @escaping (Value) -> Payload?,
    ) {
        self.init(
            name,
            embed(.blank),
            Payload.fields.map { $0.lifted(embed, extract) },
            rules: Payload.rules.map { $0.lifted(extract) },
        ) { extract($0) != nil }
    }
}

extension Variant {
    /// Its fields and its name, which may be left out of the first variant of several.
    fileprivate func schema(isFirst: Bool) -> JSONValue {
        var schema = table.schema
        var properties = schema["properties"]?.object ?? [:]
        properties["kind"] = ["const": .string(name)]
        schema["properties"] = .object(properties)
        if !isFirst { schema["required"] = .array((schema["required"]?.array ?? []) + ["kind"]) }
        return .object(schema)
    }
}

extension Form {
    /// An object whose `kind` says which fields it has; without one it is the first variant.
    static func variants(_ variants: [Variant<Value>]) -> Form {
        let names = variants.map(\.name)
        let schemas = variants.enumerated().map { $1.schema(isFirst: $0 == 0) }
        return Form(schema: ["anyOf": .array(schemas)]) { json, place, faults in
            guard let members = json.object else {
                faults.append(wrongType(json, place, expected: "an object"))
                return nil
            }
            let kind = members["kind"] ?? .string(names.first ?? "")
            guard let name = kind.string else {
                faults.append(wrongType(kind, pointer(place, "kind"), expected: named(names)))
                return nil
            }
            guard let variant = variants.first(where: { $0.name == name }) else {
                faults.append(noSuchName(name, pointer(place, "kind"), among: names))
                return nil
            }
            return variant.table.read(json, place, &faults)
        } write: { value in
            guard let variant = variants.first(where: { $0.matches(value) }) else { return .null }
            var members = variant.table.members(value)
            members["kind"] = .string(variant.name)
            return .object(members)
        }
    }
}
