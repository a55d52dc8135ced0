// What a misspelt name was meant to be: a mistyped hyper-parameter must not cost days.

/// `"a", "b"`.
func named(_ names: some Sequence<String>) -> String {
    names.map { "\"\($0)\"" }.joined(separator: ", ")
}

func noSuchName(_ name: String, _ place: String, among names: [String]) -> Violation {
    let detail = "\(quoted(name)) is not allowed here\(suggestion(for: name, among: names))"
    return Violation(place, .notAllowed, detail, allowed: named(names))
}

/// `"; did you mean \`batch\`?"`, or nothing where no name is near.
func suggestion(for name: String, among names: some Sequence<String>) -> String {
    nearest(to: name, among: names).map { "; did you mean `\($0)`?" } ?? ""
}

/// The name that differs from `name` by at most two typing errors, and by less than half of it.
/// Case, `_`, `-` and `.` do not count; of equally near names the first.
func nearest(to name: String, among names: some Sequence<String>) -> String? {
    func letters(_ text: String) -> [Character] {
        text.lowercased().filter { !"_-.".contains($0) }
    }
    guard name.utf8.count <= 100 else { return nil }
    let wanted = letters(name)
    let near = names.map { ($0, letters($0)) }
        .filter { abs($0.1.count - wanted.count) <= 2 }
        .map { ($0.0, typingErrors(wanted, $0.1)) }
        .filter { $0.1 <= 2 && $0.1 * 2 < max(wanted.count, 1) }
    return near.min { $0.1 < $1.1 }?.0
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`: the
/// Damerau-Levenshtein distance, in its form where no part is edited twice.
func typingErrors(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var least = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                least = min(least, beforeLast[j - 1] + 1)
            }
            row.append(least)
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}
