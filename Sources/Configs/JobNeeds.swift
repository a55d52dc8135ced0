// What must be there before a job can run; whoever knows the data sets and the checkpoints asks this.

/// A data set that a job reads.
package struct DatasetNeed: Hashable, Sendable {
    /// Where the spec names it, such as `/spec/data/dataset`.
    package let pointer: String
    package let dataset: String
    /// What must exist below it.
    package let paths: [Path]

    package struct Path: Hashable, Sendable {
        /// Where the spec names it, such as `/spec/data/train`.
        package let pointer: String
        /// Relative to the data set, with `/`.
        package let path: String
    }
}

/// Something that another job made and this one reads.
package struct ReferenceNeed: Hashable, Sendable {
    /// Where the spec names it, such as `/spec/checkpoint`.
    package let pointer: String
    package let reference: Reference
    package let expected: Expected

    package enum Expected: Hashable, Sendable {
        /// A checkpoint of one of these kinds.
        case checkpoint([CheckpointKind])
        case architecture
    }
}

extension JobSpec {
    /// The data sets that the job reads, in the order of the spec.
    package var datasets: [DatasetNeed] { datasets(at: "/spec") }

    /// The same for a spec that stands at `place`.
    package func datasets(at place: String) -> [DatasetNeed] {
        switch self {
        case .pretrain(let config): [need(config.data, "\(place)/data")]
        case .finetune(let config):
            [need(config.train, "\(place)/train")] + need(config.validation, "\(place)/validation")
        case .search(let config):
            [need(config.train, "\(place)/train"), need(config.search, "\(place)/search")]
                + need(config.test, "\(place)/test")
        case .audit(let config):
            [need(config.train, "\(place)/train"), need(config.search, "\(place)/search")]
                + need(config.test, "\(place)/test")
        case .retrain(let config):
            (config.classification.map { [need($0.data, "\(place)/classification/data")] } ?? [])
                + need(config.detection?.train, "\(place)/detection/train")
                + need(config.detection?.validation, "\(place)/detection/validation")
        case .predict(let config):
            need(config.train, "\(place)/train") + need(config.list, "\(place)/list")
                + (config.folder.map { [need($0, "\(place)/folder")] } ?? [])
        case .evaluate(let config):
            need(config.train, "\(place)/train") + [need(config.list, "\(place)/list")]
        case .check(let config):
            [DatasetNeed(pointer: "\(place)/dataset", dataset: config.dataset, paths: [])]
        }
    }

    /// What other jobs made and this one reads.
    package var references: [ReferenceNeed] { references(at: "/spec") }

    /// The same for a spec that stands at `place`.
    package func references(at place: String) -> [ReferenceNeed] {
        switch self {
        case .pretrain, .check: []
        case .finetune(let config):
            config.checkpoint.map {
                [
                    ReferenceNeed(
                        pointer: "\(place)/checkpoint",
                        reference: $0,
                        expected: .checkpoint([.supernet]),
                    )
                ]
            } ?? []
        case .search(let config):
            [
                ReferenceNeed(
                    pointer: "\(place)/checkpoint",
                    reference: config.checkpoint,
                    expected: .checkpoint(
                        [config.objective.isClassification ? .supernet : .detectorSupernet]
                    ),
                )
            ]
        case .audit(let config):
            [
                ReferenceNeed(
                    pointer: "\(place)/checkpoint",
                    reference: config.checkpoint,
                    expected: .checkpoint([.detectorSupernet]),
                )
            ] + audited(config.architectures, "\(place)/architectures")
        case .retrain(let config):
            if case .reference(let reference) = config.architecture {
                [
                    ReferenceNeed(
                        pointer: "\(place)/architecture",
                        reference: reference,
                        expected: .architecture,
                    )
                ]
            } else {
                []
            }
        case .predict(let config): references(of: config, at: place)
        case .evaluate(let config): references(of: config, at: place)
        }
    }

    private func references(of use: some DetectorUse, at place: String) -> [ReferenceNeed] {
        var needs = [
            ReferenceNeed(
                pointer: "\(place)/checkpoint",
                reference: use.checkpoint,
                expected: .checkpoint([.detector, .detectorSupernet]),
            )
        ]
        if case .reference(let reference) = use.architecture {
            needs.append(
                ReferenceNeed(
                    pointer: "\(place)/architecture",
                    reference: reference,
                    expected: .architecture,
                )
            )
        }
        return needs
    }

    private func need(_ folder: PictureFolder, _ place: String) -> DatasetNeed {
        DatasetNeed(
            pointer: "\(place)/dataset",
            dataset: folder.dataset,
            // `.` is the data set itself, which is looked for anyway.
            paths: folder.path == "."
                ? [] : [DatasetNeed.Path(pointer: "\(place)/path", path: folder.path)],
        )
    }

    private func need(_ data: ClassificationData, _ place: String) -> DatasetNeed {
        let val = data.val.map { [DatasetNeed.Path(pointer: "\(place)/val", path: $0)] } ?? []
        return DatasetNeed(
            pointer: "\(place)/dataset",
            dataset: data.dataset,
            paths: [DatasetNeed.Path(pointer: "\(place)/train", path: data.train)] + val,
        )
    }

    private func audited(_ choice: AuditChoice, _ place: String) -> [ReferenceNeed] {
        switch choice {
        case .spread, .genomes: []
        case .references(let references):
            references.ids.enumerated().map {
                ReferenceNeed(
                    pointer: "\(place)/ids/\($0.offset)",
                    reference: $0.element,
                    expected: .architecture,
                )
            }
        case .baseline(let baseline):
            [
                ReferenceNeed(
                    pointer: "\(place)/architecture",
                    reference: baseline.architecture,
                    expected: .architecture,
                )
            ]
        }
    }

    private func need(_ images: SearchImages, _ place: String) -> DatasetNeed {
        switch images {
        case .boxes(let data): need(data, place)
        case .folder(let data):
            DatasetNeed(
                pointer: "\(place)/dataset",
                dataset: data.dataset,
                paths: [DatasetNeed.Path(pointer: "\(place)/folder", path: data.folder)],
            )
        }
    }

    private func need(_ data: DetectionData, _ place: String) -> DatasetNeed {
        var paths: [DatasetNeed.Path] = []
        for (index, list) in data.lists.enumerated() {
            let element = data.annotations.count == 1 ? "" : "/\(index)"
            let pointer = "\(place)/annotations\(element)"
            paths.append(DatasetNeed.Path(pointer: pointer, path: list.path))
            if let xml = list.xml {
                paths.append(DatasetNeed.Path(pointer: pointer, path: xml))
            }
            // `.` is the data set itself, which is looked for anyway.
            guard list.images != "." else { continue }
            let given = data.images.map { $0.count == 1 ? "/images" : "/images/\(index)" }
            paths.append(
                DatasetNeed.Path(
                    pointer: given.map { place + $0 } ?? (list.isVoc ? pointer : "\(place)/images"),
                    path: list.images,
                )
            )
        }
        var seen: Set<String> = []
        return DatasetNeed(
            pointer: "\(place)/dataset",
            dataset: data.dataset,
            paths: paths.filter { seen.insert($0.path).inserted },
        )
    }

    private func need(_ data: DetectionData?, _ place: String) -> [DatasetNeed] {
        data.map { [need($0, place)] } ?? []
    }
}
