import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `with-node-id: true` as a drop-in of ours beside K3s's configuration; no other file is touched.
///
/// K3s reads drop-ins from v1.21.0 on (k3s-facts 5.1): an older agent ignores the file, and its name stays as it was. RKE2
/// knows the option from its patches of May 2023 on (rke2#4131); v1.22.4 warns and ignores it (rke2#2390), and one that is
/// older still may refuse to start with an option that it does not know (k3s#4464).
package final class NodeIDDropIn: AgentConfiguration {
  /// Late in the order of names, and not the last that an operator could think of.
  package static let name = "90-nodepassd-node-id.yaml"
  /// By this line a file is known to be ours.
  private static let header = "# Written by nodepassd; not by hand."
  private static let sizeLimit = 4096

  package static let text = """
    \(header)
    # The server refused this node under its plain name. From its next start on, the agent appends an identifier of its own
    # to it, which it keeps in the file "id" beside the node password.
    # To undo: remove this file, restart the agent's unit, and delete the Node with the longer name.
    with-node-id: true

    """

  private let paths: Paths
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.node-id", target: FileQueue.shared)

  package init(paths: Paths, entropy: any Entropy) {
    self.paths = paths
    self.entropy = entropy
  }

  package func useNodeID(in directory: String, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in completion(self.write(to: directory)) }
  }

  private func write(to directory: String) -> Result<Void, Obstacle> {
    guard directory.hasPrefix("/") else {
      return .failure(Obstacle(.notConfigured, at: directory, "it is not a whole path"))
    }
    let path = "\(paths.absolute(directory))/\(Self.name)"
    return Self.look(at: path).flatMap { found in
      switch found {
      case .ours: return .success(())
      case .nothing: return replace(path, over: .absent)
      case .outdated(let identity): return replace(path, over: .exactly(identity))
      }
    }
  }

  private func replace(_ path: String, over expectation: AtomicFile.Expectation) -> Result<Void, Obstacle> {
    let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
    return Array(Self.text.utf8).withUnsafeBytes { bytes in
      AtomicFile(path, entropy: entropy).replace(with: bytes, attributes, over: expectation).map { _ in }
    }
  }

  // MARK: What is there

  private enum Found {
    case nothing
    /// Word for word.
    case ours
    /// As another version of us wrote it, or damaged.
    case outdated(FileIdentity)
  }

  private static func look(at path: String) -> Result<Found, Obstacle> {
    let file: Descriptor
    switch Descriptor.open(path, O_RDONLY) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT: return .success(.nothing)
    // A link, or a socket.
    case .failure(let error) where error.code == ELOOP || error.code == ENXIO: return .failure(notOurs(path))
    case .failure(let error): return .failure(error.obstacle(at: path))
    }
    return file.status().mapError { $0.obstacle(at: path) }.flatMap { status in
      guard FileKind(status) == .regular else { return .failure(notOurs(path)) }
      return file.read(limit: sizeLimit).mapError { $0.obstacle(at: path) }.flatMap { bytes in
        found(bytes, FileIdentity(status)).map { .success($0) } ?? .failure(notOurs(path))
      }
    }
  }

  /// `nil`: not ours.
  private static func found(_ bytes: [UInt8], _ identity: FileIdentity) -> Found? {
    if bytes.elementsEqual(text.utf8) { return .ours }
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    return line.elementsEqual(header.utf8) ? .outdated(identity) : nil
  }

  private static func notOurs(_ path: String) -> Obstacle {
    Obstacle(.conflict, at: path, "what lies there is not nodepassd's, and stays")
  }
}
