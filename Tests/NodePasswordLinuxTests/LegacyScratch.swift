import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization

/// The server's folder of a K3s up to 1.19, in a root of its own.
struct LegacyScratch {
  static let folder = "/var/lib/rancher/k3s/server/cred"
  static let file = folder + "/node-passwd"
  /// A name that a change of ours might have used.
  static let aside = folder + "/.nodepassd-node-passwd-1"

  let root: PrivateRoot
  let port: LinuxLegacyPasswords
  let installation = Installation(
    distribution: .k3s, hasServerRole: true, hasAgentRole: true,
    nodeName: NodeName("own").map { .present($0) } ?? .absent,
    certificateName: .absent, dataDirectory: "/var/lib/rancher/k3s", passwordPath: "/etc/rancher/node/password",
    identity: MachineIdentity(hardware: .absent, machineID: "m", bootID: "b", addresses: []), unit: "k3s.service")

  init(_ root: PrivateRoot? = nil, entropy: any Entropy = KernelEntropy()) throws {
    let root = try root ?? PrivateRoot()
    self.root = root
    try root.make(Self.folder)
    port = LinuxLegacyPasswords(paths: root.paths, entropy: entropy)
  }

  func password(_ text: String) -> NodePassword { NodePassword(copying: Array(text.utf8)) }

  func read() throws -> Observed<LegacyReading> {
    try wait { port.read(installation, $0) }.observed()
  }

  func identity() throws -> FileIdentity? { try read().value?.identity }

  func edit(_ edit: LegacyRowEdit) throws -> Result<FileIdentity, Obstacle> {
    try wait { port.edit(edit, of: installation, $0) }
  }

  func remove(_ identity: FileIdentity?) throws -> Result<Void, Obstacle> {
    guard let identity else { throw TooLate() }
    return try wait { port.remove(identity, of: installation, $0) }
  }

  func sweep() { port.sweepLeftovers(of: installation) }

  var text: String? { root.read(Self.file) }
  var names: [String] { root.names(Self.folder) }

  var status: stat? {
    var status = stat()
    return lstat(root.path + Self.file, &status) == 0 ? status : nil
  }

  var mode: UInt32? { status.map { $0.st_mode & 0o7777 } }

  /// Of every name, as K3s would compare them.
  func passwords() throws -> [String: String] {
    guard let file = try read().value?.file else { return [:] }
    return Dictionary(
      uniqueKeysWithValues: file.names().map { name in
        (
          name.rawValue,
          file.password(of: name, .lastCounts).map { $0.withBytes { String(decoding: $0, as: UTF8.self) } } ?? ""
        )
      })
  }
}

extension Result<FileIdentity, Obstacle> {
  var isDone: Bool { if case .success = self { true } else { false } }
}

/// Calls `hook` whenever a name for a temporary file is made: between a look and a write.
struct HookedEntropy: Entropy {
  let hook: @Sendable () -> Void

  func bytes(_ count: Int) -> [UInt8] {
    hook()
    return KernelEntropy().bytes(count)
  }
}

/// K3s up to 1.19 at a first join, call by call: reads the whole file into a map, adds a row, writes `<file>.tmp` and renames it.
struct KThreeS: Sendable {
  let path: String

  func join(_ name: String) {
    var rows: [String: String] = [:]
    for line in (contents() ?? "").split(separator: "\n") {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      rows[String(fields[1])] = String(fields[0])
    }
    guard rows[name] == nil else { return }
    rows[name] = "p-" + name
    let text = rows.map { "\($0.value),\($0.key),\($0.key),\n" }.joined()
    let file = open(path + ".tmp", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(file >= 0 && write(file, text, text.utf8.count) == text.utf8.count)
    close(file)
    precondition(rename(path + ".tmp", path) == 0)
  }

  private func contents() -> String? {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    fstat(file, &status)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let count = pread(file, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}

/// Many first joins, one after the other, on a thread of their own.
final class ManyJoins: Sendable {
  private let over = Mutex(false)
  var isOver: Bool { over.withLock { $0 } }

  init(_ count: Int, path: String) {
    DispatchQueue(label: "joins").async { @Sendable [self] in
      for number in 1...count { KThreeS(path: path).join("n\(number)") }
      over.withLock { $0 = true }
    }
  }
}
