// What an architecture costs, in closed form. A multiply-add of a convolution or a linear layer is
// one unit; bias, norm, ReLU and pooling are not counted.

/// Which layers a number of multiply-adds covers. Raw values are stored and sent.
package enum CostConvention: String, Codable, CaseIterable, Sendable {
    case backbone = "A"  // convolutions of stem and stages: the limit of DetNAS's search
    case classifier = "B"  // the whole classifier, its last convolution and linear layer included

    /// The convention's name and what it counts.
    package var stated: String {
        switch self {
        case .backbone: "A: multiply-adds of the convolutions of stem and stages"
        case .classifier: "B: multiply-adds of the whole classifier's convolutions and linear layer"
        }
    }
}

/// What one architecture costs at one image size.
package struct Cost: Hashable, Codable, Sendable {
    /// Multiply-adds of stem and stages (convention A).
    package let macs: Int
    /// Multiply-adds of the whole classifier (convention B).
    package let classifierMacs: Int
    /// Parameters of stem and stages, norms included.
    package let params: Int
    /// Parameters of the whole classifier, norms included.
    package let classifierParams: Int

    package init(macs: Int, classifierMacs: Int, params: Int, classifierParams: Int) {
        self.macs = macs
        self.classifierMacs = classifierMacs
        self.params = params
        self.classifierParams = classifierParams
    }

    /// Multiply-adds under `convention`.
    package func macs(_ convention: CostConvention) -> Int {
        switch convention {
        case .backbone: macs
        case .classifier: classifierMacs
        }
    }
}

extension SearchSpace {
    /// What `genome` costs for one image of `height` x `width` pixels (any within
    /// `Bounds.imageSide`) and a classifier of `classes`.
    package func cost(
        of genome: Genome,
        height: Int = 224,
        width: Int = 224,
        classes: Int = 1000,
    ) -> Cost {
        let image = ImageSize(height: height, width: width)
        let sizes = featureSizes(of: image)
        var (macs, params) = (stemMacs(image), stemConvolution.params)
        for ((position, size), letter) in zip(zip(positions, sizes), genome.letters) {
            let plan = BlockPlan(operations[Int(letter)], at: position, variant: block)
            macs += plan.macs(at: size)
            params += plan.params
        }
        let head = classifierHead(at: sizes[sizes.count - 1], classes: classes)
        return Cost(
            macs: macs,
            classifierMacs: macs + head.macs,
            params: params,
            classifierParams: params + head.params,
        )
    }

    /// Parameters of the supernet, which holds every operation at every position.
    package func supernetParams(classes: Int = 1000) -> (backbone: Int, classifier: Int) {
        var params = stemConvolution.params
        for position in positions {
            for operation in operations {
                params += BlockPlan(operation, at: position, variant: block).params
            }
        }
        let head = classifierHead(at: ImageSize(height: 1, width: 1), classes: classes)
        return (params, params + head.params)
    }

    /// The size of the input at every position, then of the last stage's output. The choices do not
    /// change it.
    package func featureSizes(of image: ImageSize) -> [ImageSize] {
        var sizes = [stemConvolution.output(image)]
        for position in positions {
            let reduction = Convolution.depthwise(1, kernel: 3, stride: position.stride)
            sizes.append(reduction.output(sizes[sizes.count - 1]))
        }
        return sizes
    }

    func stemMacs(_ image: ImageSize) -> Int {
        stemConvolution.weights * stemConvolution.output(image).area
    }

    func classifierHead(at size: ImageSize, classes: Int) -> (macs: Int, params: Int) {
        let linear = lastConv * classes
        return (
            lastConvolution.weights * size.area + linear,
            lastConvolution.params + linear + classes,
        )
    }
}
