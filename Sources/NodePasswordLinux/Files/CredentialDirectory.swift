import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// The credentials that systemd passed to this process (systemd.exec(5), LoadCredential=): files in a directory that only
/// this service may read, in memory that is never swapped.
package struct CredentialDirectory: ProvisionedCredential {
  /// The credentials' names, which are also those in `/etc/credstore`.
  package static let nodePasswordName = "node-password"
  package static let fleetKeyName = "fleet-key"

  private static let variable = "CREDENTIALS_DIRECTORY"

  private let directory: String?
  private let queue = DispatchQueue(label: "nodepassd.credentials", target: FileQueue.shared)

  /// - Parameter environment: of which `CREDENTIALS_DIRECTORY` is looked at.
  package init(environment: [String: String]) { directory = environment[Self.variable] }

  /// This process's own.
  package init() {
    self.init(environment: getenv(Self.variable).map { [Self.variable: String(cString: $0)] } ?? [:])
  }

  package func nodePassword(_ completion: @escaping Completion<Observed<NodePassword>>) {
    queue.async { @Sendable in completion(.success(self.readNodePassword())) }
  }

  /// Judged as K3s judges the password file: outer white space does not count, and what cannot go into a header is no
  /// password (k3s-facts 1.1).
  private func readNodePassword() -> Observed<NodePassword> {
    let path: String
    switch self.path(Self.nodePasswordName) {
    case .present(let found): path = found
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    }
    switch WholeFile.read(path, limit: NodePassword.lengthLimit, followingLink: false) {
    case .absent: return .absent
    case .unknown(let obstacle):
      return .unknown(obstacle.kind == .tooLarge ? Obstacle(.malformed, at: path, obstacle.detail) : obstacle)
    case .present(var bytes):
      defer { Wipe.bytes(&bytes) }
      switch PasswordText.read(bytes) {
      case .password(let password): return .present(password)
      case .empty: return .unknown(Obstacle(.malformed, at: path, "it is empty"))
      case .malformed(let malformation):
        return .unknown(Obstacle(.malformed, at: path, "it can be no password: \(malformation.rawValue)"))
      case .unreadable: return .unknown(Obstacle(.permissionDenied, at: path, "it cannot be read"))
      }
    }
  }

  /// Where the credential of that name would lie. Absent: none were passed.
  func path(_ name: String) -> Observed<String> {
    guard let directory, !directory.isEmpty else { return .absent }
    guard directory.hasPrefix("/") else {
      return .unknown(Obstacle(.malformed, at: "$\(Self.variable)", "it is no absolute path"))
    }
    return .present("\(directory)/\(name)")
  }
}
