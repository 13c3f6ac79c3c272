import Dispatch
import NodePasswordCore
import NodePasswordDaemon

/// The policy's files, and the last good copy of them.
package final class FilePolicySource: PolicySource {
  private static let separator = "# nodepassd: this part was "

  private let paths: Paths
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.policy")

  package init(paths: Paths, entropy: any Entropy) {
    self.paths = paths
    self.entropy = entropy
  }

  package func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    queue.async { @Sendable in completion(.success(Self.readInstalled(self.paths))) }
  }

  /// The installed policy: the main file, then the drop-ins by name.
  package static func readInstalled(_ paths: Paths) -> Observed<[PolicyText]> {
    let listing = FactFile.names(in: paths.policyDropIns)
    // Rules that cannot be listed must not vanish in silence.
    if let obstacle = listing.obstacle { return .unknown(obstacle) }
    let dropIns = (listing.value ?? [])
      .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.map { paths.policyDropIns + "/" + $0 }
    switch read(paths.policy, isDropIn: false) {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .absent:
      guard let first = dropIns.first else { return .absent }
      return .unknown(Obstacle(.malformed, at: first, "a drop-in without \(paths.policy), which it would add to"))
    case .present(let main): return append(dropIns, to: main)
    }
  }

  /// Files as named on a command line: the first is the main one.
  package static func read(files: [String]) -> Observed<[PolicyText]> {
    switch read(files[0], isDropIn: false) {
    case .absent: .unknown(Obstacle(.inputOutput, at: files[0], "there is no such file"))
    case .unknown(let obstacle): .unknown(obstacle)
    case .present(let main): append(Array(files.dropFirst()), to: main)
    }
  }

  private static func append(_ dropIns: [String], to main: PolicyText) -> Observed<[PolicyText]> {
    var texts = [main]
    for path in dropIns {
      switch read(path, isDropIn: true) {
      case .present(let text): texts.append(text)
      case .absent: return .unknown(Obstacle(.inputOutput, at: path, "there is no such file"))
      case .unknown(let obstacle): return .unknown(obstacle)
      }
    }
    return .present(texts)
  }

  private static func read(_ path: String, isDropIn: Bool) -> Observed<PolicyText> {
    WholeFile.read(path, limit: PolicyText.sizeLimit)
      .map { PolicyText(file: path, bytes: $0, isDropIn: isDropIn) }
  }

  // MARK: Last good

  /// One file holds all parts, so that a crash cannot mix two policies: each part behind a line with its name.
  package func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in
      var bytes: [UInt8] = []
      for text in texts {
        bytes += Array("\(Self.separator)\(text.bytes.count) \(text.isDropIn ? "drop-in" : "main") \(text.file)\n".utf8)
        bytes += text.bytes
      }
      let file = AtomicFile(self.paths.lastGoodPolicy, entropy: self.entropy)
      let attributes = AtomicFile.Attributes(mode: 0o600)
      completion(bytes.withUnsafeBytes { file.replace(with: $0, attributes, directoryMode: 0o700) }.map { _ in () })
    }
  }

  package func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    queue.async { @Sendable in
      let path = self.paths.lastGoodPolicy
      switch WholeFile.read(path, limit: 16 * PolicyText.sizeLimit, followingLink: false) {
      case .absent: completion(.success(.absent))
      case .unknown(let obstacle): completion(.success(.unknown(obstacle)))
      case .present(let bytes):
        guard let texts = Self.parts(of: bytes[...]) else {
          return completion(.success(.unknown(Obstacle(.malformed, at: path, "it is damaged"))))
        }
        completion(.success(.present(texts)))
      }
    }
  }

  private static func parts(of bytes: ArraySlice<UInt8>) -> [PolicyText]? {
    var rest = bytes
    var texts: [PolicyText] = []
    while !rest.isEmpty {
      guard let end = rest.firstIndex(of: UInt8(ascii: "\n")),
        let line = String(validating: rest[..<end], as: UTF8.self), line.hasPrefix(separator)
      else { return nil }
      let words = line.dropFirst(separator.count).split(separator: " ", maxSplits: 2).map(String.init)
      guard words.count == 3, let count = Int(words[0]), count >= 0 else { return nil }
      rest = rest[(end + 1)...]
      guard count <= rest.count else { return nil }
      texts.append(PolicyText(file: words[2], bytes: Array(rest.prefix(count)), isDropIn: words[1] == "drop-in"))
      rest = rest.dropFirst(count)
    }
    return texts.isEmpty ? nil : texts
  }
}
