import SearchSpaces
import Testing

struct CostTests {
    @Test func `the fixtures hold ten networks, six spaces, 32 rows and twelve sizes`() {
        #expect(Published.networks.count == 10)
        #expect(Published.spaces.count == 6)
        #expect(Published.rows.count == 32)
        #expect(SizedCost.all.count == 12)
    }

    @Test(arguments: Published.networks, BlockVariant.allCases)
    func `a published network costs the exact published integers`(
        network: Published.Network,
        block: BlockVariant,
    ) throws {
        // The official counts include the bias of stem and last convolution.
        let space = try Fixture.space(network.space, block).with(stemBias: block == .official)
        let cost = space.cost(of: network.genome)
        let counted = Published.Costs(
            backboneMacs: cost.macs,
            backboneParams: cost.params,
            classifierMacs: cost.classifierMacs,
            classifierParams: cost.classifierParams,
        )
        #expect(counted == network.costs[block.rawValue])
        #expect(network.genome.operations(in: space) == network.operations)
    }

    @Test(arguments: Published.spaces)
    func `a space's size, extremes, mean and supernet are the exact published figures`(
        published: Published.Space
    ) throws {
        let space = try Fixture.space(published.space, published.block)
            .with(stemBias: published.block == .official)
        #expect(space.size == published.size)
        #expect(
            space.supernetParams() == (
                published.supernet.backbone, published.supernet.withClassifier,
            )
        )
        for (metric, name) in [(CostMetric.macs(.backbone), "macs"), (.params, "params")] {
            let table = space.costTable(metric)
            let expected = try #require(published.statistics[name])
            #expect(table.minimum == expected.min)
            #expect(table.mean == expected.mean)
            #expect(table.maximum == expected.max)
            #expect(table.cheapest == expected.argmin)
            #expect(table.dearest == expected.argmax)
        }
        let cheapest = space.cost(of: space.cheapest())
        #expect(cheapest.macs == published.statistics["macs"]?.min)
    }

    @Test(arguments: Published.rows)
    func `a block costs what the official table says`(row: Published.Table.Row) throws {
        let position = try #require(
            Fixture.space("detnas-300m").positions.first {
                ($0.inputs, $0.outputs, $0.stride) == (row.inputs, row.outputs, row.stride)
            }
        )
        let plan = BlockPlan(row.operation, at: position, variant: .official)
        #expect(plan.macs(at: ImageSize(height: row.side, width: row.side)) == row.macs)
    }

    @Test func `stem and classifier cost what the official table says`() throws {
        let table = try Published.all.get().table
        let space = try Fixture.space("detnas-300m")
        let backbone = space.costTable(.macs(.backbone))
        #expect(backbone.constant == table.stem)
        let head = space.costTable(.macs(.classifier)).constant - backbone.constant
        #expect(head == table.lastConvAndClassifier)
    }

    @Test func `the first release of the widened network had a narrower last convolution`() throws {
        let published = try Published.all.get()
        let space = try Fixture.space("detnas-3.8g").with(stemBias: true, lastConv: 1024)
        let network = try #require(published.architectures.first { $0.space == "detnas-3.8g" })
        let cost = space.cost(of: network.genome)
        #expect(cost.classifierMacs == published.narrowLastConv.classifierMacs)
        #expect(cost.classifierParams == published.narrowLastConv.classifierParams)
    }

    @Test(arguments: SizedCost.all)
    func `costs at any image size equal a count of PyTorch's layers`(expected: SizedCost) throws {
        let space = try Fixture.space(expected.space)
        let cost = space.cost(
            of: expected.genome,
            height: expected.height,
            width: expected.width,
            classes: expected.classes,
        )
        #expect(
            cost
                == Cost(
                    macs: expected.macs,
                    classifierMacs: expected.classifierMacs,
                    params: expected.params,
                    classifierParams: expected.classifierParams,
                )
        )
        let sizes = space.featureSizes(
            of: ImageSize(height: expected.height, width: expected.width)
        )
        #expect(sizes.last.map { [$0.height, $0.width] } == expected.last)
    }

    @Test(arguments: SearchSpace.named.keys.sorted(), BlockVariant.allCases)
    func `a table's sum is the cost of the network`(name: String, block: BlockVariant) throws {
        let space = try Fixture.space(name, block)
        var random = CounterRandom(seed: 1)
        for (height, width) in [(224, 224), (161, 190)] {
            let genome = space.uniform(using: &random)
            let cost = space.cost(of: genome, height: height, width: width)
            func sum(_ metric: CostMetric) -> Int {
                space.costTable(metric, height: height, width: width).cost(of: genome)
            }
            #expect(sum(.macs(.backbone)) == cost.macs)
            #expect(sum(.macs(.classifier)) == cost.classifierMacs)
            #expect(sum(.params) == cost.params)
            #expect(sum(.classifierParams) == cost.classifierParams)
        }
    }

    @Test func `the largest space that validates at the largest image fits in an Int`() {
        let stages = [4, 3, 2, 1].map { SearchSpace.Stage(width: 4096 - 4 * $0, blocks: 64) }
        let space = SearchSpace(name: "largest", stem: 4000, stages: stages, lastConv: 4096)
        #expect(space.validate().isEmpty)
        let side = SearchSpace.Bounds.imageSide.upperBound
        let table = space.costTable(.macs(.classifier), height: side, width: side, classes: 65_536)
        #expect(table.maximum > 0)
        let mmrazor = space.with(block: .mmrazor)
        #expect(mmrazor.costTable(.macs(.classifier), height: side, width: side).maximum > 0)
    }

    @Test func `ten thousand costs a second are an easy thing`() throws {
        let space = try #require(SearchSpace.named["detnas-1.3g"])
        let table = space.costTable(height: 800, width: 1344)
        var random = CounterRandom(seed: 1)
        let genomes = (0..<20_000).map { _ in space.uniform(using: &random) }
        let start = ContinuousClock.now
        let sum = genomes.reduce(0) { $0 + table.cost(of: $1) }
        #expect(start.duration(to: .now) < .seconds(2))
        #expect((table.minimum...table.maximum).contains(sum / genomes.count))
    }
}
