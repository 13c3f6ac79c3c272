import NodePasswordCore
import NodePasswordDaemon

/// The `server` directory of a simulated machine, as far as tokens, users, CA and modes go (k3s-facts 3.2).
struct CredentialModel: Sendable {
  struct File: Sendable {
    var text: String
    var identity: FileIdentity
    var mode: UInt32
    var isDirectory = false
    var isForeign = false
  }

  /// What somebody does to it.
  enum Meddling: String, CaseIterable, Sendable {
    case exposeFile, exposeKey, exposeDirectory, changeOwner, otherAuthority, loseAuthority, otherPassword, loseUsers,
      tornUsers
    case emptyToken
  }

  private static let directories = ["", "cred"]
  private static let authorityName = "tls/server-ca.crt"
  private static let keyName = "tls/server-ca.key"

  let distribution: Distribution
  /// By the path below `server/`.
  private(set) var files: [String: File] = [:]
  private var nextInode: UInt64 = 50_000
  /// Each new CA is the next one; its hash is made of the number.
  private var authority = 0

  init(_ distribution: Distribution) { self.distribution = distribution }

  private static func hash(_ authority: String) -> String {
    let digits = String(authority.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }, radix: 16)
    return String(repeating: "0", count: 64 - digits.count) + digits
  }

  private mutating func put(_ text: String, _ path: String, mode: UInt32 = 0o600, at time: WallTime) {
    let old = files[path]
    if old == nil { nextInode += 1 }
    files[path] = File(
      text: text,
      identity: FileIdentity(
        device: 1, inode: old?.identity.inode ?? nextInode,
        changeTime: max(time.nanoseconds, (old?.identity.changeTime ?? 0) + 1), size: Int64(text.utf8.count)),
      mode: mode, isDirectory: Self.directories.contains(path))
  }

  // MARK: The server

  /// As K3s does at each start: CA and users where they are missing or wrong, then the tokens.
  mutating func start(_ version: ServerVersion, password: String, at time: WallTime) {
    for directory in Self.directories where files[directory] == nil { put("", directory, mode: 0o700, at: time) }
    if files[Self.authorityName] == nil {
      authority += 1
      put("ca \(authority)", Self.authorityName, mode: 0o644, at: time)
      put("key \(authority)", Self.keyName, mode: files[Self.keyName]?.mode ?? 0o600, at: time)
    }
    write(users(password), "cred/passwd", at: time)
    write("K10\(hash)::server:\(password)\n", TokenPlace.server.rawValue, at: time)
    // 0600 since 1.26.8 and 1.28 (k3s-facts 3.2).
    let isPrivate = version.minor >= 28 || version >= ServerVersion(26, 8) && version.minor == 26
    for name in ["admin", "controller", "scheduler"] {
      put("apiVersion: v1\n", "cred/\(name).kubeconfig", mode: isPrivate ? 0o600 : 0o644, at: time)
    }
  }

  private func users(_ password: String) -> String {
    let product = distribution.rawValue
    return "\(password),node,node,\(product):agent\n\(password),server,server,\(product):server\n"
  }

  private mutating func write(_ text: String, _ path: String, at time: WallTime) {
    if files[path]?.text != text { put(text, path, mode: files[path]?.mode ?? 0o600, at: time) }
  }

  // MARK: Others

  mutating func suffer(_ meddling: Meddling, at time: WallTime) {
    switch meddling {
    case .exposeFile: change("cred/passwd", at: time) { $0.mode = 0o644 }
    case .exposeKey: change(Self.keyName, at: time) { $0.mode = 0o640 }
    case .exposeDirectory: change("cred", at: time) { $0.mode = 0o755 }
    case .changeOwner: change(TokenPlace.server.rawValue, at: time) { $0.isForeign = true }
    case .otherAuthority:
      authority += 1
      put("ca \(authority)", Self.authorityName, mode: 0o644, at: time)
    case .loseAuthority: files[Self.authorityName] = nil
    case .otherPassword: put("other,node,node,\(distribution):agent\n", "cred/passwd", at: time)
    case .loseUsers: files["cred/passwd"] = nil
    case .tornUsers: put("\"torn", "cred/passwd", at: time)
    case .emptyToken: put("", TokenPlace.server.rawValue, at: time)
    }
  }

  private mutating func change(_ path: String, at time: WallTime, _ body: (inout File) -> Void) {
    guard var file = files[path] else { return }
    body(&file)
    file.identity = FileIdentity(
      device: 1, inode: file.identity.inode, changeTime: max(time.nanoseconds, file.identity.changeTime + 1),
      size: file.identity.size)
    files[path] = file
  }

  /// A person puts right what nobody could read.
  mutating func mendUnreadable(password: String, at time: WallTime) {
    guard files["cred/passwd"]?.text.hasPrefix("\"") == true else { return }
    write(users(password), "cred/passwd", at: time)
  }

  // MARK: The port

  var hasAuthority: Bool { files[Self.authorityName] != nil }

  /// What tokens pin now.
  var hash: String { Self.hash(files[Self.authorityName]?.text ?? "") }

  var exposed: [CredentialFile] { all.filter { $0.isForeign || CredentialFile.isTooWide($0.mode) } }

  /// All that nobody else may read.
  var all: [CredentialFile] {
    files.sorted { $0.key < $1.key }.compactMap { path, file in
      guard path != Self.authorityName else { return nil }
      return CredentialFile(
        path: path, identity: file.identity, mode: file.mode, isDirectory: file.isDirectory, isForeign: file.isForeign)
    }
  }

  var reading: CredentialReading {
    var tokens: [TokenPlace: Observed<CredentialReading.Token>] = [:]
    if let token = files[TokenPlace.server.rawValue] {
      for place in TokenPlace.allCases {
        tokens[place] = .present(
          CredentialReading.Token(
            identity: token.identity, isLink: place != .server, text: SecretBytes(copying: Array(token.text.utf8))))
      }
    }
    let table = files["cred/passwd"].map {
      CredentialReading.Table(identity: $0.identity, text: SecretBytes(copying: Array($0.text.utf8)))
    }
    let authority = files[Self.authorityName].map {
      CredentialReading.Authority(
        facts: AuthorityFacts(identity: $0.identity, certificates: 1, notAfter: nil), hashes: [Self.hash($0.text)])
    }
    return CredentialReading(
      tokens: tokens, table: table.map { .present($0) } ?? .absent,
      authority: authority.map { .present($0) } ?? .absent,
      files: .present(CredentialListing(looked: files.count, exposed: exposed)))
  }

  /// Answers those that are another by now.
  mutating func tighten(_ wanted: [CredentialFile], at time: WallTime) -> [String] {
    wanted.filter { file in
      guard let there = files[file.path], there.isDirectory == file.isDirectory, file.isSame(as: there.identity) else {
        return true
      }
      change(file.path, at: time) { changed in
        changed.mode = changed.isDirectory ? 0o700 : 0o600
        changed.isForeign = false
      }
      return false
    }.map(\.name)
  }
}
