// Does the signal travel the whole way? A supernet in which one operation is spoilt by noise is trained for real;
// a search that works must drop that operation from its best paths.

package import Configs
import Evaluation
package import Foundation
import NN
package import SearchSpaces
import Torch

package struct PlantedOptimum: Sendable {
    /// What to train; its `validation` and `checkpoint` are not used.
    package var finetune: FinetuneConfig
    /// How to search; its checkpoint is not used.
    package var search: SearchConfig
    package var operation: SearchSpaces.Operation
    /// Deviation of the noise, as a share of the root mean square of the operation's output.
    package var deviation: Double

    package init(
        finetune: FinetuneConfig,
        search: SearchConfig,
        operation: SearchSpaces.Operation,
        deviation: Double,
    ) {
        self.finetune = finetune
        self.search = search
        self.operation = operation
        self.deviation = deviation
    }

    /// How often the operation stands in the best paths of one search.
    package struct Outcome: Sendable {
        package var seed: UInt64
        /// The best paths, the best first, and how many spoilt letters each has.
        package var best: [Genome]
        package var spoilt: [Int]
        package var isClear: Bool { spoilt.allSatisfy { $0 == 0 } }
    }

    /// Trains the supernet, or takes the one that an earlier call left.
    package func train(_ context: any RunContext) throws -> URL {
        try TorchLibrary.setThreads(max(1, context.cores.count))
        try TorchLibrary.flushDenormals()
        let earlier = try context.resumable().map { try CheckpointFile($0) }
        if let earlier, earlier.isFinal { return earlier.url }
        guard let space = try finetune.space?.resolved() else {
            throw RunError.badCheckpoint("no space was given")
        }
        let training = DetectorTraining(
            context: context,
            plan: NetworkPlan(
                space: space,
                shuffle: finetune.shuffle ?? 1,
                sampler: finetune.sampler.sampler(of: space),
                seed: context.seed,
                device: try Device(parsing: context.device),
            ),
            train: finetune.train,
            validation: nil,
            detector: finetune.detector,
            image: finetune.image,
            training: finetune.training,
            evaluation: finetune.evaluation,
            crippled: (operation, deviation),
        )
        return try training.run(
            config: JobSpec.finetune(finetune).json,
            pretrained: nil,
            resuming: earlier,
        ).checkpoint.url
    }

    /// Searches the trained supernet with the context's seed.
    package func search(_ supernet: URL, best: Int, _ context: any RunContext) throws -> Outcome {
        let file = try CheckpointFile(supernet)
        let result = try ArchitectureSearch(
            context: context,
            config: search,
            checkpoint: file,
            checkpointDigest: SHA256.digest(file: supernet).hex,
            crippled: (operation, deviation),
        ).run()
        let space = file.metadata.space
        let letter = space.operations.firstIndex(of: operation)
        let genomes = try result.architectures.prefix(best).map {
            try Genome(parsing: $0["genome"]?.string ?? "", in: space)
        }
        return Outcome(
            seed: context.seed,
            best: genomes,
            spoilt: genomes.map { $0.letters.count { Int($0) == letter } },
        )
    }
}
