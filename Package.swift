// swift-tools-version: 6.2
import PackageDescription

/// Every target is built the same way: Swift 6 mode (below), and a warning is an error. For size, since the program has a gate of
/// 30 MB (decision 16).
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error), .unsafeFlags(["-Osize"])]

/// `make fuzz` builds apart, with its own program, and with the parsers watched: which branches an input takes, and whether
/// it reads beyond its bytes.
let isFuzzing = Context.environment["NODEPASSD_FUZZ"] != nil
let sanitizers: [String] = isFuzzing ? ["-sanitize=fuzzer,address"] : []
let watched: [SwiftSetting] = strict + (isFuzzing ? [.unsafeFlags(sanitizers)] : [])

/// The executables carry the Swift runtime themselves, so that an installed `nodepassd` needs no Swift on the machine.
/// Only the link is static; everything else is compiled once and shared with the tests.
/// FoundationEssentials keeps part of itself in two archives that an otherwise dynamic compile does not name.
let standalone: [LinkerSetting] = [
  .unsafeFlags([
    "-static-stdlib", "-use-ld=lld",
    "-Xlinker", "-l_FoundationCShims",
    "-Xlinker", "-l_FoundationCollections",
    // Nobody loads symbols from a program; those it exported could not be left out either.
    "-Xlinker", "--no-export-dynamic",
    "-Xlinker", "--gc-sections",
    "-Xlinker", "--icf=all",
    // Nobody unwinds this program from within: it throws nothing across C, and a crash is the service manager's to tell.
    "-Xlinker", "--no-eh-frame-hdr",
    "-Xlinker", "-s",
  ])
]

let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "NIOHTTP1", package: "swift-nio"),
  .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

let certificates: [Target.Dependency] = [
  .product(name: "Crypto", package: "swift-crypto"),
  .product(name: "X509", package: "swift-certificates"),
  .product(name: "SwiftASN1", package: "swift-asn1"),
]

let fuzzers: [Target] =
  isFuzzing
  ? [
    .executableTarget(
      name: "FuzzTargets", dependencies: ["ParserProperties"], path: "Tests/FuzzTargets", exclude: ["run.sh"],
      swiftSettings: strict,
      linkerSettings: [.unsafeFlags(sanitizers + ["-use-ld=lld"])])
  ] : []

let package = Package(
  name: "nodepassd",
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    // Decides. Depends on nothing.
    .target(name: "NodePasswordCore", swiftSettings: watched),

    // Drives: ports, Observer, Executor, the loop.
    .target(
      name: "NodePasswordDaemon",
      dependencies: ["NodePasswordCore", "CLibYAML", "CShims"],
      swiftSettings: watched),

    // Does it for real.
    .target(
      name: "NodePasswordLinux",
      dependencies: [
        "NodePasswordCore", "NodePasswordDaemon", "CSystemd", "CShims",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "SystemPackage", package: "swift-system"),
      ] + nio,
      swiftSettings: watched),

    // Does it in pretend; and serves the pretence over HTTPS on loopback.
    .target(
      name: "NodePasswordSimulator",
      dependencies: [
        "NodePasswordCore", "NodePasswordDaemon",
        .product(name: "CryptoExtras", package: "swift-crypto"),
      ] + nio + certificates,
      swiftSettings: strict),

    // System libraries, and a page of C.
    .systemLibrary(
      name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
    .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(name: "CShims"),

    // Wire.
    .executableTarget(
      name: "nodepassd",
      dependencies: [
        "NodePasswordCore", "NodePasswordDaemon", "NodePasswordLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict,
      linkerSettings: standalone),
    .executableTarget(
      name: "nodepassd-demo",
      dependencies: [
        "NodePasswordCore", "NodePasswordDaemon", "NodePasswordLinux", "NodePasswordSimulator",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SystemPackage", package: "swift-system"),
      ] + nio,
      swiftSettings: strict,
      linkerSettings: standalone),

    // Prove.
    .target(
      name: "ParserProperties",
      dependencies: ["NodePasswordCore", "NodePasswordDaemon", "NodePasswordLinux"] + certificates,
      path: "Tests/ParserProperties",
      swiftSettings: strict),
    .testTarget(
      name: "NodePasswordCoreTests", dependencies: ["NodePasswordCore"], swiftSettings: strict),
    .testTarget(
      name: "NodePasswordDaemonTests",
      dependencies: ["NodePasswordCore", "NodePasswordDaemon", "NodePasswordSimulator", "ParserProperties"],
      swiftSettings: strict),
    .testTarget(
      name: "NodePasswordLinuxTests",
      dependencies: [
        "NodePasswordCore", "NodePasswordDaemon", "NodePasswordLinux", "NodePasswordSimulator", "ParserProperties",
        "CShims",
      ] + nio + certificates,
      swiftSettings: strict),
    .testTarget(
      name: "NodePasswordSimulatorTests",
      dependencies: ["NodePasswordCore", "NodePasswordDaemon", "NodePasswordSimulator"] + nio + certificates,
      resources: [.copy("Recordings")],
      swiftSettings: strict),
    .testTarget(
      name: "RepositoryTests",
      dependencies: ["NodePasswordCore", "NodePasswordDaemon"],
      swiftSettings: strict),
  ] + fuzzers,
  swiftLanguageModes: [.v6]
)
