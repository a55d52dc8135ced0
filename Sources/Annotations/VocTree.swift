// How a VOC data set lies on a disk (Everingham et al. 2010, IJCV 88; the development kits of 2007 and
// 2012): `TREE/ImageSets/SET/LIST.txt` names images, `TREE/Annotations/NAME.xml` says what is in them.

import Foundation

/// The folders around a list of images.
struct VocTree {
    let root: URL

    /// The tree of `TREE/ImageSets/SET/LIST.txt`.
    init(list: URL) {
        root = list.standardizedFileURL.deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    var images: URL { root.appending(path: "JPEGImages", directoryHint: .isDirectory) }
    var annotations: URL { root.appending(path: "Annotations", directoryHint: .isDirectory) }

    func annotation(of name: String) -> URL { annotations.appending(path: "\(name).xml") }

    /// A number for the image of that name: the same in every list and on every machine.
    ///
    /// `000005` of VOC2007 is 5 and `2007_000027` of VOC2012 is 2007000027; any other name gets a
    /// number above those, made by hashing it and small enough for a JSON reader's doubles.
    static func imageID(of name: String) -> Int64 {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        let areDigits = parts.allSatisfy { $0.utf8.allSatisfy { (48...57).contains($0) } }
        let isYear = parts.first.map { $0.utf8.count == 4 && $0.utf8.first != 48 } ?? false
        let hasForm =
            parts.count == 1 || (parts.count == 2 && isYear)
        if areDigits, hasForm, parts.last?.utf8.count == 6, let number = Int64(parts.joined()) {
            return number
        }
        return imageID(hashing: name)
    }

    static func imageID(hashing text: String) -> Int64 {
        1 << 52 | Int64(CounterHash.bits(of: text) >> 12)
    }
}

/// The names that an image-set list holds.
struct VocList {
    struct Entry {
        let name: String
        let line: Int
    }

    private(set) var entries: [Entry] = []
    private(set) var problems: [AnnotationProblem] = []
    private static let longestName = 1024
    private static let maxBytes = 256 << 20

    /// - Throws: when the file of `list` cannot be read.
    init(_ list: AnnotationList) throws(AnnotationError) {
        let tree = VocTree(list: list.file)
        self.init(
            try AnnotationFile.content(of: list.file, atMost: Self.maxBytes),
            file: list.file.lastPathComponent,
        ) {
            access(tree.annotation(of: $0).path, F_OK) == 0
        }
    }

    /// Reads a name from each line. A label behind it, as VOC's lists for one class have (-1, 0 or
    /// 1), says nothing of the boxes and is passed over, unless `isName` says that all of the line
    /// is a name; so is the ending of a picture's file.
    ///
    /// - Parameter file: what to call the list in a problem.
    init(_ content: Data, file: String, isName: (String) -> Bool) {
        var seen: [String: Int] = [:]
        var text = content[...]
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let line = String(decoding: bytes.prefix(Self.longestName + 1), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            if line.isEmpty { continue }
            let place = AnnotationProblem.Place.line(file: file, number: index + 1)
            func report(_ kind: AnnotationProblem.Kind, _ value: String, allowed: String) {
                problems.append(
                    AnnotationProblem(
                        kind,
                        at: place,
                        field: "name",
                        value: value,
                        allowed: allowed,
                        isDropped: true,
                    )
                )
            }
            let name = Self.name(in: line, isName)
            // By scalars, as the system does: a `/` with an accent is another character to Swift.
            let parts = name.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false)
                .map(String.init)
            guard bytes.count <= Self.longestName, !name.utf8.contains(where: { $0 < 0x20 }),
                !parts.contains(where: { ["", ".", ".."].contains($0) })
            else {
                report(
                    .badLine,
                    "\"\(line.prefix(80))\"",
                    allowed: "the name of an image, such as 2007_000027",
                )
                continue
            }
            if let first = seen.updateValue(index + 1, forKey: name) {
                report(
                    .duplicateFileName,
                    "\"\(name)\", as in line \(first)",
                    allowed: "each once",
                )
                seen[name] = first
                continue
            }
            entries.append(Entry(name: name, line: index + 1))
        }
    }

    private static func name(in line: String, _ isName: (String) -> Bool) -> String {
        var name = line
        if let blank = line.lastIndex(where: \.isWhitespace),
            ["-1", "0", "1", "+1"].contains(line[blank...].dropFirst()),
            case let first = line[..<blank].trimmingCharacters(in: .whitespaces),
            isName(first) || !isName(line)
        {
            name = first
        }
        let ending = (name as NSString).pathExtension.lowercased()
        if ["jpg", "jpeg", "png", "xml"].contains(ending), !isName(name) {
            name = (name as NSString).deletingPathExtension
        }
        return name
    }
}
