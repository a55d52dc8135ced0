// swift-tools-version: 6.2
// What is built, and what each target may import: `Sources/NAME` is tested in `Tests/NAMETests`.

import PackageDescription

/// The folder of libtorch: `LIBTORCH`, or the one that `deploy/setup` made.
let libtorch = Context.environment["LIBTORCH"] ?? "\(Context.packageDirectory)/.libtorch/torch"

let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func library(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    exclude: [String] = [],
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.byName(name: name), "TestSupport"] + dependencies,
        swiftSettings: swift,
    )
}

let package = Package(
    name: "detnas",
    products: [
        .executable(name: "detnas", targets: ["detnas"]),
        // Loaded at run time by `CTorch`, so that a program without libtorch can say so.
        .library(name: "detnas-torch", type: .dynamic, targets: ["LibTorch"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Reads MMRazor's architectures, and openapi.yaml in tests.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Writes ONNX.
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        // C and C++
        .target(name: "CTorch"),
        .target(
            name: "LibTorch",
            cxxSettings: [
                .headerSearchPath("../CTorch/include"),
                .unsafeFlags([
                    "-I\(libtorch)/include", "-I\(libtorch)/include/torch/csrc/api/include", "-O2",
                    "-Wno-everything",
                ]),
            ],
            linkerSettings: [
                .unsafeFlags([
                    "-L\(libtorch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(libtorch)/lib",
                ]),
                .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
            ],
        ),
        .target(name: "CLinux"),
        .target(
            name: "CJPEG",
            linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png")],
        ),
        .target(name: "CHTTP"),
        // Carries the text of openapi.yaml.
        .target(name: "COpenAPI"),
        .target(
            name: "COpenSSL",
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")],
        ),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),

        // Learning
        library("Torch", ["CTorch"]),
        library("NN", ["SearchSpaces", "Torch"]),
        library("Annotations"),
        library("Evaluation", ["Annotations"]),
        library("Datasets", ["Annotations", "CJPEG", "SearchSpaces"]),
        library("SearchSpaces"),
        library("Search", ["SearchSpaces"]),
        library("Detectors", ["NN", "SearchSpaces", "Torch"]),
        library("Configs", ["SearchSpaces", .product(name: "Yams", package: "Yams")]),
        library(
            "Pipelines",
            [
                "Torch", "NN", "Annotations", "Evaluation", "Datasets", "SearchSpaces", "Search",
                "Detectors", "Configs",
            ],
        ),
        library(
            "Exchange",
            [
                "NN", "SearchSpaces", "Detectors", "Configs", "Pipelines", "Torch",
                .product(name: "Yams", package: "Yams"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["onnx.proto"],
        ),

        // Service
        library("Jobs", ["Configs"]),
        library(
            "JobStore",
            ["Configs", "Jobs", "SearchSpaces", .product(name: "GRDB", package: "GRDB.swift")],
        ),
        library(
            "Scheduling",
            ["CLinux", "CZlib", "Configs", "JobStore", "Jobs", "SearchSpaces"],
        ),
        library("HTTP", ["CHTTP", "COpenSSL", "CZlib"]),
        library(
            "API",
            ["COpenAPI", "Configs", "HTTP", "JobStore", "Jobs", "Scheduling", "SearchSpaces"],
        ),

        library("Client", ["COpenSSL", "Configs", "SearchSpaces"]),

        // Where the two meet
        library("Worker", ["CLinux", "Configs", "Jobs", "Pipelines", "SearchSpaces", "Torch"]),
        .executableTarget(
            name: "detnas",
            dependencies: [
                "API", "Annotations", "CLinux", "Client", "Configs", "Datasets", "Exchange", "HTTP",
                "JobStore", "Pipelines", "Scheduling", "SearchSpaces", "Worker",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swift,
        ),

        // Tests
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: swift),
        // What the scripts of Tests/service speak to.
        .executableTarget(
            name: "fake-daemon",
            dependencies: ["API", "HTTP", "JobStore", "Jobs", "Scheduling", "TestSupport"],
            path: "Tests/FakeDaemon",
            swiftSettings: swift,
        ),
        tests("Torch", ["SearchSpaces"]),
        .testTarget(
            name: "NNTests",
            dependencies: ["NN", "SearchSpaces", "TestSupport", "Torch"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        tests("Annotations"),
        .testTarget(
            name: "EvaluationTests",
            dependencies: ["Annotations", "Evaluation", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        .testTarget(
            name: "DatasetsTests",
            dependencies: ["Annotations", "Datasets", "SearchSpaces", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        .testTarget(
            name: "SearchSpacesTests",
            dependencies: ["SearchSpaces", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        .testTarget(
            name: "SearchTests",
            dependencies: ["Search", "SearchSpaces", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        .testTarget(
            name: "DetectorsTests",
            dependencies: ["Detectors", "NN", "SearchSpaces", "TestSupport", "Torch"],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        tests("Configs"),
        tests("Pipelines", ["Configs", "Datasets", "NN", "Search", "SearchSpaces", "Torch"]),
        .testTarget(
            name: "ExchangeTests",
            dependencies: [
                "Annotations", "Configs", "Datasets", "Detectors", "Exchange", "NN", "Pipelines",
                "SearchSpaces", "TestSupport", "Torch",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Fixtures"],
            swiftSettings: swift,
        ),
        tests("Jobs"),
        tests("JobStore", [.product(name: "GRDB", package: "GRDB.swift")]),
        tests("Scheduling", [.product(name: "GRDB", package: "GRDB.swift")]),
        tests("HTTP", ["COpenSSL", "CZlib"]),
        tests("Client", ["COpenSSL", "Configs", "HTTP", "SearchSpaces"]),
        tests(
            "API",
            [
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Yams", package: "Yams"),
            ],
        ),
        tests("Worker", ["Configs", "Jobs", "Pipelines", "SearchSpaces"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["detnas", "fake-daemon", "SearchSpaces", "TestSupport"],
            swiftSettings: swift,
        ),
    ],
    cxxLanguageStandard: .cxx20,
)
