import Dispatch
import NodePasswordCore
import NodePasswordDaemon

/// What this server remembers of the ledger, in one small file, replaced as law L7 says. A damaged one is an obstacle, and
/// nobody's to throw away: without it a restored datastore looks like any other.
package final class FileLedgerMarks: LedgerMarks {
  private static let sizeLimit = 1 << 20

  private let path: String
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.marks", target: FileQueue.shared)

  package init(paths: Paths, entropy: any Entropy) {
    path = paths.ledgerMark
    self.entropy = entropy
  }

  package func load(_ completion: @escaping Completion<Observed<LedgerMark>>) {
    queue.async { @Sendable in completion(self.load()) }
  }

  package func save(_ mark: LedgerMark, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in
      let file = AtomicFile(self.path, entropy: self.entropy)
      let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
      let text = Array(LedgerMarkDocument.encode(mark).utf8)
      completion(text.withUnsafeBytes { file.replace(with: $0, attributes, directoryMode: 0o700) }.map { _ in () })
    }
  }

  private func load() -> Result<Observed<LedgerMark>, Obstacle> {
    switch WholeFile.read(path, limit: Self.sizeLimit, followingLink: false) {
    case .absent: return .success(.absent)
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else {
        return .failure(Obstacle(.malformed, at: path, "it is no text"))
      }
      do throws(CheckedLines.Damage) {
        return .success(.present(try LedgerMarkDocument.decode(text)))
      } catch {
        return .failure(error.obstacle(at: path))
      }
    }
  }
}
