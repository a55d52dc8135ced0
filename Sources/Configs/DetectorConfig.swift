// The detector over the backbone. Both kinds share the pyramid (FPN, arXiv:1612.03144); numbers are those of the official
// DetNAS configuration, but for coordinates and norms, whose defaults suit today's data and few images.

/// In JSON told by `kind`: `"retinanet"`, `"faster-rcnn"`.
package enum DetectorConfig: Hashable, Sendable {
    case retinaNet(RetinaNetConfig)
    case fasterRCNN(FasterRCNNConfig)

    package init() { self = .retinaNet(RetinaNetConfig()) }
}

/// Which corners a box has in the detector's arithmetic; data and results are the same in both.
package enum Coordinates: String, CaseIterable, Sendable {
    /// Edges: a box is x2 - x1 wide.
    case modern
    /// Pixels, the last one included, and Detectron's rounded anchors: the official code.
    case legacy
}

/// The norm after a convolution.
package enum NormChoice: String, CaseIterable, Sendable {
    case none
    case group  // Wu and He, arXiv:1803.08494
    case batch  // recalibrated for each path of a supernet, as the backbone's
}

extension Form<DetectorConfig> {
    static var detector: Form {
        .variants([
            Variant("retinanet", DetectorConfig.retinaNet) {
                if case .retinaNet(let config) = $0 { config } else { nil }
            },
            Variant("faster-rcnn", DetectorConfig.fasterRCNN) {
                if case .fasterRCNN(let config) = $0 { config } else { nil }
            },
        ])
    }
}

/// The pyramid's fields, which both kinds have.
protocol PyramidConfig: Fielded {
    var channels: Int { get set }
    var neckNorm: NormChoice { get set }
    var groups: Int { get set }
    var normBias: Bool { get set }
    var firstLevel: Int { get set }
    var lastLevel: Int { get set }
    /// Whether any norm of the detector is a group norm.
    var usesGroups: Bool { get }
    /// How many anchor sizes there are.
    var anchorSizeCount: Int { get }
    var coordinates: Coordinates { get set }
}

extension PyramidConfig {
    static func pyramidFields(levels: ClosedRange<Int>) -> [Field<Self>] {
        [
            Field("channels", \.channels, .int(1...4096)),
            Field("neckNorm", \.neckNorm, .choice),
            Field("groups", \.groups, .int(1...4096)),
            Field("normBias", \.normBias, .flag),
            Field("firstLevel", \.firstLevel, .int(2...5)),
            Field("lastLevel", \.lastLevel, .int(levels)),
            Field("coordinates", \.coordinates, .choice),
        ]
    }

    /// - Parameter anchorSizes: where the sizes stand.
    static func pyramidRules(anchorSizes: String) -> [Rule<Self>] {
        [
            Rule("groups", "channels", "headNorm", "neckNorm", allowed: "a divisor of channels") {
                !$0.usesGroups || $0.channels.isMultiple(of: $0.groups)
                    ? nil : "\($0.groups) groups do not divide \($0.channels) channels"
            },
            Rule("lastLevel", "firstLevel", allowed: ">= firstLevel") {
                $0.lastLevel >= $0.firstLevel
                    ? nil : "\($0.lastLevel) is below firstLevel, \($0.firstLevel)"
            },
            Rule(anchorSizes, "firstLevel", "lastLevel", allowed: "one size for each level") {
                let levels = $0.lastLevel - $0.firstLevel + 1
                return $0.anchorSizeCount == levels
                    ? nil : "\($0.anchorSizeCount) sizes for \(levels) levels"
            },
        ]
    }
}

extension Rule {
    /// The IoU from which on an anchor is a positive is not below the one under which it is a negative.
    static func ordered(
        _ background: KeyPath<Root, Double>,
        _ foreground: KeyPath<Root, Double>,
    ) -> Rule {
        Rule("backgroundIoU", "foregroundIoU", allowed: "<= foregroundIoU") {
            $0[keyPath: background] <= $0[keyPath: foreground]
                ? nil
                : "\($0[keyPath: background]) is above foregroundIoU, \($0[keyPath: foreground])"
        }
    }
}
