// One xml file of a VOC tree, as it stands there: texts are judged by whoever knows the image.

import Foundation

/// What an xml file says of one image.
struct VocFile {
    /// The element `filename`.
    var fileName: String?
    /// The element `size`; texts that are missing are nil.
    var size: (width: String?, height: String?)?
    var objects: [Object] = []

    struct Object {
        var name: String?
        var difficult: String?
        /// xmin, ymin, xmax, ymax of the first `bndbox` directly within the object; those of its
        /// parts (head, hand, foot) are passed over.
        var corners: [String?]?
    }

    /// Larger files are not annotations of one image: the largest of VOC's has 20 KB.
    static let maxBytes = 16 << 20

    init(contentsOf url: URL) throws(AnnotationError) {
        var content = try AnnotationFile.content(of: url, atMost: Self.maxBytes)
        if content.starts(with: [0xFF, 0xFE]) || content.starts(with: [0xFE, 0xFF]),
            let text = String(data: content, encoding: .utf16)
        {
            content = Data(text.utf8)
        }
        let result: Result<VocFile, AnnotationError> = content.withUnsafeBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            var xml = XMLScanner(bytes)
            do throws(XMLFault) {
                return .success(try VocFile(&xml))
            } catch {
                return .failure(
                    AnnotationFile.malformed(
                        url.path,
                        bytes,
                        at: error.offset,
                        expected: error.expected,
                    )
                )
            }
        }
        self = try result.get()
    }

    init(_ xml: inout XMLScanner) throws(XMLFault) {
        try xml.enterRoot("annotation")
        while let element = try xml.nextChild() {
            switch element {
            case "filename": fileName = try xml.text()
            case "size": size = try Self.size(&xml)
            case "object": objects.append(try Self.object(&xml))
            default: try xml.leave()
            }
        }
        try xml.end()
    }

    private static func size(
        _ xml: inout XMLScanner
    ) throws(XMLFault) -> (width: String?, height: String?) {
        var size: (width: String?, height: String?) = (nil, nil)
        while let element = try xml.nextChild() {
            switch element {
            case "width": size.width = try xml.text()
            case "height": size.height = try xml.text()
            default: try xml.leave()
            }
        }
        return size
    }

    private static func object(_ xml: inout XMLScanner) throws(XMLFault) -> Object {
        var object = Object()
        while let element = try xml.nextChild() {
            switch element {
            case "name": object.name = try xml.text()
            case "difficult": object.difficult = try xml.text()
            case "bndbox" where object.corners == nil: object.corners = try corners(&xml)
            default: try xml.leave()
            }
        }
        return object
    }

    private static func corners(_ xml: inout XMLScanner) throws(XMLFault) -> [String?] {
        let names = ["xmin", "ymin", "xmax", "ymax"]
        var corners = [String?](repeating: nil, count: 4)
        while let element = try xml.nextChild() {
            if let corner = names.firstIndex(of: element) {
                corners[corner] = try xml.text()
            } else {
                try xml.leave()
            }
        }
        return corners
    }
}
