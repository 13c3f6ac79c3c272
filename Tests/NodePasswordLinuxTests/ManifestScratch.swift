import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// A server's data directory below a private root, and the ports that look at it.
struct ManifestScratch {
  static let data = "/var/lib/rancher/k3s"
  static let place = data + "/server/manifests"

  let root: PrivateRoot
  let manifests: LinuxManifests
  let baseline: FileManifestBaseline

  init() throws {
    root = try PrivateRoot()
    try root.make(Self.place)
    manifests = LinuxManifests(paths: root.paths, entropy: KernelEntropy())
    baseline = FileManifestBaseline(paths: root.paths, entropy: KernelEntropy())
  }

  let installation = Installation(
    distribution: .k3s, hasServerRole: true, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
    dataDirectory: data, passwordPath: "/etc/rancher/node/password",
    identity: MachineIdentity(hardware: .absent, machineID: "m", bootID: "b", addresses: []))

  func path(_ name: String) -> String { root.path + Self.place + "/" + name }

  func write(_ name: String, _ text: String, mode: Int = 0o600) throws {
    try root.write(text, Self.place + "/" + name, mode: mode)
  }

  func read(_ name: String) -> String? { root.read(Self.place + "/" + name) }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
  }

  func modified(_ name: String) -> timespec {
    var status = stat()
    return lstat(path(name), &status) == 0 ? status.st_mtim : timespec()
  }

  // MARK: Ports

  func look() throws -> Observed<ManifestTree> { try wait { manifests.look(installation, $0) }.get() }

  func tree() throws -> ManifestTree { try #require(try look().value) }

  func accepted() throws -> Observed<AcceptedManifests> {
    switch try wait({ baseline.load($0) }) {
    case .success(let answer): answer
    case .failure(let obstacle): .unknown(obstacle)
    }
  }

  func changes() throws -> [ManifestChange] {
    ManifestChange.between(try tree(), try #require(try accepted().value))
  }

  var acceptor: ManifestAcceptor {
    ManifestAcceptor(
      manifests: manifests, baseline: baseline, installation: installation, now: WallTime(seconds: 1_800_000_000))
  }

  func acceptAll() throws -> Outcome {
    let tree = try tree()
    let everything = ManifestAcceptance.Scope.everything(tree.fingerprint, count: tree.files.count)
    return try wait { acceptor.accept(ManifestAcceptance(everything, version: "v1.34.2+k3s1"), $0) }
  }

  func accept(_ changes: [ManifestChange]) throws -> Outcome {
    let items = changes.map { ManifestAcceptance.Item(path: $0.path, origin: .person, file: $0.file?.identity) }
    return try wait { acceptor.accept(ManifestAcceptance(.changes(items), version: nil), $0) }
  }

  func restore(_ changes: [ManifestChange]) throws -> Outcome {
    let restorer = ManifestRestorer(manifests: manifests, baseline: baseline, installation: installation)
    return try wait { restorer.restore(ManifestRestore.make(for: changes).possible, $0) }
  }
}

extension Outcome {
  var isSurprise: Bool { if case .surprised = self { true } else { false } }
}
