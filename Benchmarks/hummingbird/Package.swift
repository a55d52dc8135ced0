// swift-tools-version: 6.2
// The server that Tests/service/compare.py measures ours against. A package of its own: nothing else needs its 24 packages.

import PackageDescription

let package = Package(
    name: "hummingbird-peer",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1")
    ],
    targets: [
        .executableTarget(
            name: "Peer",
            dependencies: [.product(name: "Hummingbird", package: "hummingbird")],
        )
    ],
)
