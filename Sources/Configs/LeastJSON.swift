// What of a document differs from the defaults.

extension JSONValue {
    /// The least of this document that still means the same.
    ///
    /// Each member of each object is left out in turn, whole objects first, and stays out where nothing changes:
    /// so it is the reader of the document that says what a default is. Elements of arrays stay.
    /// - Parameter meaning: what a document means; nil for one that is wrong.
    package func least(meaning: (JSONValue) -> JSONValue?) -> JSONValue {
        guard let whole = meaning(self) else { return self }
        return reduced { meaning($0) == whole }
    }

    private func reduced(_ stays: (JSONValue) -> Bool) -> JSONValue {
        switch self {
        case .object(var members):
            for key in members.keys.sorted() {
                guard let member = members.removeValue(forKey: key) else { continue }
                if stays(.object(members)) { continue }
                members[key] = member.reduced { part in
                    var others = members
                    others[key] = part
                    return stays(.object(others))
                }
            }
            return .object(members)
        case .array(var elements):
            for index in elements.indices {
                elements[index] = elements[index].reduced { part in
                    var others = elements
                    others[index] = part
                    return stays(.array(others))
                }
            }
            return .array(elements)
        default: return self
        }
    }
}
