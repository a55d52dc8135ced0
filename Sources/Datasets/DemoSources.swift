// Where the demo's pictures come from: photographic cut-outs and photographs of two Debian packages.
//
// tuxpaint-stamps-default (GPL-2) and lomiri-wallpapers-16.04 (CC BY and CC BY-SA 4.0). What is made of
// them stays on the machine of whoever makes it.

package import Foundation
import SearchSpaces

/// A kind of object in the demo, and where its cut-outs lie.
package struct DemoClass: Hashable, Sendable {
    package let name: String
    /// The same in every set, whichever classes it has.
    package let categoryID: Int64
    /// Below tuxpaint's `stamps`; `*` stands for any folder.
    let folders: [String]
    let isRecursive: Bool
    /// Whether a mirrored one would still be right; coins and signs have writing.
    let mayBeMirrored: Bool

    private init(
        _ categoryID: Int64,
        _ name: String,
        _ folders: [String],
        isRecursive: Bool = false,
        mayBeMirrored: Bool = true,
    ) {
        self.name = name
        self.categoryID = categoryID
        self.folders = folders
        self.isRecursive = isRecursive
        self.mayBeMirrored = mayBeMirrored
    }

    package static let all = [
        DemoClass(1, "bird", ["animals/birds"]),
        DemoClass(2, "mammal", ["animals/mammals"], isRecursive: true),
        DemoClass(3, "fruit", ["food/fruit"]),
        DemoClass(4, "vegetable", ["food/vegetables"]),
        DemoClass(5, "flower", ["plants/flowers"]),
        DemoClass(6, "coin", ["symbols/money/*/coins"], mayBeMirrored: false),
        DemoClass(7, "roadsign", ["town/roadsigns"], mayBeMirrored: false),
        DemoClass(
            8,
            "vehicle",
            [
                "vehicles/auto", "vehicles/emergency", "vehicles/masstransit",
                "vehicles/construction", "vehicles/flight/planes", "vehicles/ship",
                "vehicles/race", "military/vehicles",
            ],
        ),
    ]

    /// The ones that a small network tells apart in minutes.
    package static let defaults = ["coin", "flower", "fruit", "roadsign"]

    /// The classes called `names`, in the order of `all`; `all` alone stands for every one.
    package static func named(_ names: [String]) throws(DatasetError) -> [DemoClass] {
        if names == ["all"] { return all }
        if let unknown = names.first(where: { name in !all.contains { $0.name == name } }) {
            throw DatasetError(
                .badOption,
                "there is no class \"\(unknown)\"; allowed are "
                    + all.map(\.name).joined(separator: ", ") + ", or all",
            )
        }
        guard !names.isEmpty else { throw DatasetError(.badOption, "no class is named") }
        return all.filter { names.contains($0.name) }
    }
}

/// The folders of the two packages.
package struct DemoSources: Sendable {
    let stamps: URL
    let wallpapers: URL

    static let packages = "tuxpaint-stamps-default lomiri-wallpapers-16.04"

    /// Photographs without an object of any class, by the beginning of their name.
    static let backgrounds = [
        "Bridge_by_Sander_Klootwijk", "Wine_by_Jakkub_Mede", "aitzgorri_by_Aitzol_Berasategi",
        "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi",
        "sunset_by_Aitzol_Berasategi", "analogpattern_by_Peter_Nerlich",
        "greentock_by_Peter_Nerlich", "umang_by_Abhishek_Mudgal", "Picture_1A_by_freespace",
    ]

    /// Finds the packages' files.
    ///
    /// - Parameter root: where they were unpacked with `dpkg-deb -x`, or nil for the system's own.
    /// - Throws: what to run when one is missing.
    package init(root: URL? = nil) throws(DatasetError) {
        let root = root ?? URL(filePath: "/")
        stamps = root.appending(path: "usr/share/tuxpaint/stamps")
        wallpapers = root.appending(path: "usr/share/backgrounds")
        let missing = [
            (stamps, "town/roadsigns"), (wallpapers, "\(Self.backgrounds[0]).jpg"),
        ].filter { !FileManager.default.fileExists(atPath: $0.0.appending(path: $0.1).path) }
        guard missing.isEmpty else {
            throw DatasetError(
                .missingSources,
                """
                the demo's pictures are in two Debian packages, which are not under \(root.path)
                (missing: \(missing.map { "\($0.0.path)/\($0.1)" }.joined(separator: ", "))).
                Install them (177 MB, nothing else comes with them):
                    sudo apt-get install --no-install-recommends \(Self.packages)
                or, without being root, unpack them and give the folder as --sources:
                    mkdir -p .cache/demo && cd .cache/demo && apt-get download \(Self.packages) \
                && for f in *.deb; do dpkg-deb -x "$f" .; done; cd -
                    detnas dataset demo DIR --sources .cache/demo
                """,
            )
        }
    }

    /// Two sides of a set of files; nothing is on both.
    struct Split<Element> {
        var train: [Element]
        var val: [Element]
    }

    /// The usable cut-outs of a class, a quarter of them for validation alone.
    ///
    /// Ordered by SHA-1 of the file name, so that the split stays when a package changes its order.
    func cutouts(of kind: DemoClass) throws -> Split<Cutout> {
        var files: [URL] = []
        for folder in kind.folders { files += try pngs(in: folder, isRecursive: kind.isRecursive) }
        let cutouts = try Self.ordered(files).compactMap { try Cutout(path: $0.path) }
        guard cutouts.count >= 4 else {
            throw DatasetError(
                .missingSources,
                "class \(kind.name) has \(cutouts.count) cut-outs below \(stamps.path)",
            )
        }
        let quarter = cutouts.count / 4
        return Split(train: Array(cutouts[quarter...]), val: Array(cutouts[..<quarter]))
    }

    /// The photographs, three of them for validation alone; decoded with at least `side` pixels on the
    /// short side where they have them.
    func backgrounds(atLeast side: Int) throws -> Split<Image> {
        let files = Self.backgrounds.map { wallpapers.appending(path: "\($0).jpg") }
        let images = try Self.ordered(files).map {
            try Image(path: $0.path, atLeast: ImageSize(height: side, width: side))
        }
        return Split(train: Array(images[3...]), val: Array(images[..<3]))
    }

    private static func ordered(_ files: [URL]) -> [URL] {
        // Two coins of one name exist: the path decides then.
        files.map { (SHA1.hex(of: $0.lastPathComponent), $0.path, $0) }
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }

    private func pngs(in folder: String, isRecursive: Bool) throws -> [URL] {
        if let star = folder.range(of: "*") {
            let parent = stamps.appending(path: String(folder[..<star.lowerBound]))
            let rest = folder[star.upperBound...]
            return try FileManager.default.contentsOfDirectory(atPath: parent.path).sorted()
                .map { folder[..<star.lowerBound] + $0 + rest }
                .filter { FileManager.default.fileExists(atPath: stamps.appending(path: $0).path) }
                .flatMap { try pngs(in: $0, isRecursive: isRecursive) }
        }
        let root = stamps.appending(path: folder)
        let names =
            isRecursive
            ? try FileManager.default.subpathsOfDirectory(atPath: root.path)
            : try FileManager.default.contentsOfDirectory(atPath: root.path)
        return names.filter { name in
            let path = "/\(folder)/\(name)"
            return name.hasSuffix(".png")
                && !["_mirror", "_flip", "cartoon", "/toys", "plastic"].contains {
                    path.contains($0)
                }
        }.map { root.appending(path: $0) }
    }
}
