import Dispatch
import NodePasswordCore
import NodePasswordDaemon

/// Hashes whose Secrets were deleted, a private file each, for as long as their names are free.
package final class FileHashReserve: HashReserve {
  /// Longer names are cut and get a digest, since a file's name has at most 255 bytes, and its temporary one some more.
  private static let nameLimit = 180

  private let directory: String
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.reserve", target: FileQueue.shared)

  package init(paths: Paths, entropy: any Entropy) {
    directory = paths.reserve
    self.entropy = entropy
  }

  package func keep(_ draft: SecretDraft, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in completion(self.path(draft.name).flatMap { self.keep(draft, at: $0) }) }
  }

  package func load(_ name: String, _ completion: @escaping Completion<Observed<SecretDraft>>) {
    queue.async { @Sendable in completion(self.path(name).flatMap { self.load(name, at: $0) }) }
  }

  package func drop(_ name: String, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in completion(self.path(name).flatMap { Erasure.remove($0) }.map { _ in () }) }
  }

  /// Only a node-password Secret's name is a file's name.
  private func path(_ name: String) -> Result<String, Obstacle> {
    guard NodeName(secretName: name) != nil, name == name.lowercased() else {
      return .failure(Obstacle(.malformed, at: directory, "“\(name.prefix(80))” is no node-password Secret's name"))
    }
    guard name.utf8.count > Self.nameLimit else { return .success("\(directory)/\(name)") }
    return .success("\(directory)/\(name.prefix(Self.nameLimit))~\(String(FNV1a.digest(name.utf8), radix: 16))")
  }

  private func keep(_ draft: SecretDraft, at path: String) -> Result<Void, Obstacle> {
    guard let bytes = ReserveDocument.encode(draft) else {
      return .failure(
        Obstacle(.malformed, at: path, "this Secret cannot be kept: it is too large, or its words are none"))
    }
    // What lay there is written over once its name is gone, as far as the disk does that in place.
    let old = Erasure.open(path)
    let file = AtomicFile(path, entropy: entropy)
    let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
    return bytes.withBytes { file.replace(with: $0, attributes, directoryMode: 0o700) }.map { _ in
      if let old { Erasure.overwrite(old) }
    }
  }

  private func load(_ name: String, at path: String) -> Result<Observed<SecretDraft>, Obstacle> {
    switch WholeFile.read(path, limit: ReserveDocument.sizeLimit, followingLink: false) {
    case .absent: return .success(.absent)
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(var bytes):
      defer { Wipe.bytes(&bytes) }
      guard let draft = ReserveDocument.decode(SecretBytes(copying: bytes)), draft.name == name else {
        return .failure(Obstacle(.malformed, at: path, "it is damaged, or another Secret's"))
      }
      return .success(.present(draft))
    }
  }
}
