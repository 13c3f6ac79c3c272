import Dispatch
import FoundationEssentials
import NodePasswordCore
import NodePasswordDaemon

/// The status report as JSON under `/run`, replaced atomically; it need not survive a reboot.
package final class FileStatusFile: StatusFile {
  private static let sizeLimit = 1 << 20

  private let path: String
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.status")

  package init(paths: Paths, entropy: any Entropy) {
    path = paths.statusFile
    self.entropy = entropy
  }

  package func publish(_ report: StatusReport, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      guard let json = try? encoder.encode(report) else {
        return completion(.failure(Obstacle(.malformed, at: self.path, "the report cannot be encoded")))
      }
      let file = AtomicFile(self.path, entropy: self.entropy)
      let attributes = AtomicFile.Attributes(mode: 0o644, isDurable: false)
      completion(json.withUnsafeBytes { file.replace(with: $0, attributes) }.map { _ in () })
    }
  }

  /// What `status` shows.
  package static func read(_ path: String) -> Result<StatusReport, Obstacle> {
    switch WholeFile.read(path, limit: sizeLimit) {
    case .absent: return .failure(Obstacle(.notConfigured, at: path, "there is no status yet"))
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(let bytes):
      guard let report = try? JSONDecoder().decode(StatusReport.self, from: Data(bytes)) else {
        return .failure(Obstacle(.malformed, at: path, "it is not a status of this version"))
      }
      return .success(report)
    }
  }
}
