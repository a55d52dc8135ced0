// The optimizers, with the numbers of DetNAS and of AdamW's authors.

package enum OptimizerConfig: Hashable, Sendable {
    case sgd(SGD)
    case adamw(AdamW)

    /// Gradient descent with momentum, without Nesterov's change.
    package struct SGD: Hashable, Sendable {
        /// Peak, for each step. The paper: 0.5 for batch 1024 on ImageNet; 0.02 (Faster R-CNN) and
        /// 0.01 (RetinaNet) for batch 16 on COCO.
        package var learningRate = 0.5
        /// Source: the official code, both stages.
        package var momentum = 0.9
        /// Source: the paper, ImageNet; 1e-4 on COCO.
        package var weightDecay = 4e-5
        package var groups = ParameterGroups()

        package init() {}

        /// What the official code trains RetinaNet with: 0.01, decay 1e-4.
        package static var detector: SGD {
            var sgd = SGD()
            sgd.learningRate = 0.01
            sgd.weightDecay = 1e-4
            return sgd
        }
    }

    /// Adam with decoupled decay (Loshchilov and Hutter, arXiv:1711.05101); PyTorch's defaults.
    package struct AdamW: Hashable, Sendable {
        package var learningRate = 1e-3
        /// Decay of the first and of the second moment.
        package var betas = [0.9, 0.999]
        /// Added to the root of the second moment.
        package var epsilon = 1e-8
        /// Five times PyTorch's: small sets are what this optimizer is for here.
        package var weightDecay = 0.05
        package var groups = ParameterGroups()

        package init() {}
    }

    /// What differs between weights, norms and biases.
    package struct ParameterGroups: Hashable, Sendable {
        /// Whether scale and shift of norms decay. The official code: on COCO yes, on ImageNet no.
        package var decayNorms = false
        /// Whether biases decay. The official code: never.
        package var decayBiases = false
        /// Whether weights of depthwise convolutions decay. The official code: yes; MMRazor 1.x on ImageNet: no.
        package var decayDepthwise = true
        /// Learning rate of biases over that of weights. The official code: 2 on COCO.
        package var biasLearningRateMultiplier = 1.0

        package init() {}
    }

    package var learningRate: Double {
        switch self {
        case .sgd(let sgd): sgd.learningRate
        case .adamw(let adamw): adamw.learningRate
        }
    }

    package var weightDecay: Double {
        switch self {
        case .sgd(let sgd): sgd.weightDecay
        case .adamw(let adamw): adamw.weightDecay
        }
    }

    package var groups: ParameterGroups {
        switch self {
        case .sgd(let sgd): sgd.groups
        case .adamw(let adamw): adamw.groups
        }
    }
}

extension Form<OptimizerConfig> {
    /// - Parameter blank: what SGD's fields are where they are not given.
    static func optimizer(sgd blank: OptimizerConfig.SGD = OptimizerConfig.SGD()) -> Form {
        let sgd: [Field<OptimizerConfig>] = [
            Field("learningRate", \.sgd.learningRate, .number(.positive)),
            Field("momentum", \.sgd.momentum, .number(.belowOne)),
            Field("weightDecay", \.sgd.weightDecay, .number(.notNegative)),
        ]
        let adamw: [Field<OptimizerConfig>] = [
            Field("learningRate", \.adamw.learningRate, .number(.positive)),
            Field("betas", \.adamw.betas, .list(.number(.belowOne), count: 2...2)),
            Field("epsilon", \.adamw.epsilon, .number(.positive)),
            Field("weightDecay", \.adamw.weightDecay, .number(.notNegative)),
        ]
        return .variants([
            Variant("sgd", .sgd(blank), sgd + groups(\.sgd.groups)) {
                if case .sgd = $0 { true } else { false }
            },
            Variant("adamw", .adamw(OptimizerConfig.AdamW()), adamw + groups(\.adamw.groups)) {
                if case .adamw = $0 { true } else { false }
            },
        ])
    }

    private static func groups(
        _ path: WritableKeyPath<OptimizerConfig, OptimizerConfig.ParameterGroups>
    ) -> [Field<OptimizerConfig>] {
        [
            Field("decayNorms", path.appending(path: \.decayNorms), .flag),
            Field("decayBiases", path.appending(path: \.decayBiases), .flag),
            Field("decayDepthwise", path.appending(path: \.decayDepthwise), .flag),
            Field(
                "biasLearningRateMultiplier",
                path.appending(path: \.biasLearningRateMultiplier),
                .number(.notNegative),
            ),
        ]
    }
}

extension OptimizerConfig {
    fileprivate var sgd: SGD {
        get { if case .sgd(let sgd) = self { sgd } else { SGD() } }
        set { self = .sgd(newValue) }
    }

    fileprivate var adamw: AdamW {
        get { if case .adamw(let adamw) = self { adamw } else { AdamW() } }
        set { self = .adamw(newValue) }
    }
}
