import NodePasswordCore
import NodePasswordDaemon

/// A server that never was older than 1.20.
struct NoLegacyPasswords: LegacyPasswords {
  private static let none = Obstacle(.conflict, at: "node-passwd", "the file is gone")

  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<LegacyReading>>) {
    completion(.success(.absent))
  }

  func edit(_ edit: LegacyRowEdit, of installation: Installation, _ completion: @escaping Completion<FileIdentity>) {
    completion(.failure(Self.none))
  }

  func remove(_ identity: FileIdentity, of installation: Installation, _ completion: @escaping Completion<Void>) {
    completion(.failure(Self.none))
  }

  func sweepLeftovers(of installation: Installation) {}
}
