// A VOC tree of its own for one test.

import Foundation

/// Makes `TREE/{Annotations,ImageSets/Main,JPEGImages}` in a temporary folder.
struct TemporaryTree {
    let folder: URL
    let name: String
    var root: URL { folder.appending(path: name) }

    /// - Parameter folder: nil makes a new one, which `remove()` takes away.
    init(_ name: String = "VOC2012", in folder: URL? = nil) throws {
        self.name = name
        self.folder =
            folder
            ?? FileManager.default.temporaryDirectory.appending(path: "voc-\(UUID().uuidString)")
        for part in ["Annotations", "ImageSets/Main", "JPEGImages"] {
            try FileManager.default.createDirectory(
                at: root.appending(path: part),
                withIntermediateDirectories: true,
            )
        }
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    func list(_ name: String) -> URL { root.appending(path: "ImageSets/Main/\(name).txt") }

    func write(list name: String, _ text: String) throws {
        try Data(text.utf8).write(to: list(name))
    }

    /// Writes an image's xml, and an empty file for its picture.
    func write(_ name: String, xml: String, picture: String? = nil) throws {
        try Data(xml.utf8).write(to: root.appending(path: "Annotations/\(name).xml"))
        try Data().write(to: root.appending(path: "JPEGImages/\(picture ?? "\(name).jpg")"))
    }

    /// Writes an image of 100 x 80 pixels with the given objects.
    func write(_ name: String, objects: [String]) throws {
        try write(name, xml: Self.xml(name, objects: objects))
    }

    static func xml(_ name: String, objects: [String]) -> String {
        """
        <annotation><filename>\(name).jpg</filename>
        <size><width>100</width><height>80</height><depth>3</depth></size>
        \(objects.joined(separator: "\n"))</annotation>
        """
    }

    static func object(
        _ name: String,
        _ corners: [String] = ["11", "21", "40", "60"],
        more: String = "",
    ) -> String {
        let sides = zip(["xmin", "ymin", "xmax", "ymax"], corners).map { "<\($0)>\($1)</\($0)>" }
        return "<object><name>\(name)</name>\(more)<bndbox>\(sides.joined())</bndbox></object>"
    }
}
