import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The act log as one append-only file: a line an act, room for more allocated beforehand, so that counting an act costs
/// one write and one fdatasync.
package final class FileActLog: ActLog {
  /// Beyond this the log is written anew without what no budget counts any more.
  package static let compactionSize = 64 * 1024
  private static let sizeLimit = 4 << 20
  private static let step = 4096

  private struct State {
    var file: Descriptor?
    var end = 0
    var allocated = 0
  }

  private let path: String
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.acts", target: FileQueue.shared)
  // Only ever touched on the queue.
  private nonisolated(unsafe) var state = State()
  private nonisolated(unsafe) var nextCompaction = FileActLog.compactionSize

  package init(paths: Paths, entropy: any Entropy) {
    path = paths.acts
    self.entropy = entropy
  }

  package func load(_ completion: @escaping Completion<[Act]>) {
    queue.async { @Sendable in completion(self.load()) }
  }

  package func append(_ act: Act, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in completion(self.append(act)) }
  }

  private func load() -> Result<[Act], Obstacle> {
    switch WholeFile.read(path, limit: Self.sizeLimit, followingLink: false) {
    case .absent: return .success([])
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(let bytes):
      let decoded = ActLines.decode(bytes)
      guard let acts = decoded.acts else {
        return .failure(Obstacle(.malformed, at: path, "line \(decoded.badLine) is not an act"))
      }
      return .success(acts)
    }
  }

  /// Only ever before an append, which the daemon alone does, under its lock: `explain` reads the same file. What cannot
  /// be made smaller now can still be appended to.
  private func compactWhereWorthwhile() {
    guard state.file == nil || state.end > nextCompaction,
      case .present(let bytes) = WholeFile.read(path, limit: Self.sizeLimit, followingLink: false),
      bytes.count > nextCompaction, let acts = ActLines.decode(bytes).acts
    else { return }
    let kept = ActLines.worthKeeping(acts)
    guard kept.count < acts.count / 2 else {
      nextCompaction = bytes.count * 2
      return
    }
    state = State()
    nextCompaction = Self.compactionSize
    let file = AtomicFile(path, entropy: entropy)
    _ = ActLines.encode(kept).withUnsafeBytes {
      file.replace(with: $0, AtomicFile.Attributes(mode: 0o600), directoryMode: 0o700)
    }
  }

  private func append(_ act: Act) -> Result<Void, Obstacle> {
    let line = ActLines.encode([act])
    compactWhereWorthwhile()
    return opened().flatMap { file -> Result<Void, SystemError> in
      if state.end + line.count > state.allocated {
        // Blocks that are there already need no change of metadata at the next sync. Where the file system cannot, the
        // write below makes them.
        if posix_fallocate(file.number, off_t(state.allocated), off_t(Self.step)) == 0 { state.allocated += Self.step }
      }
      let written = line.withUnsafeBytes { pwrite(file.number, $0.baseAddress, $0.count, off_t(state.end)) }
      guard written == line.count else { return .failure(SystemError(code: written < 0 ? errno : ENOSPC)) }
      guard fdatasync(file.number) == 0 else {
        // What is on disk is not known now: open and look again before the next act.
        let error = SystemError(code: errno)
        state = State()
        return .failure(error)
      }
      state.end += line.count
      return .success(())
    }
    .mapError { $0.obstacle(at: path) }
  }

  private func opened() -> Result<Descriptor, SystemError> {
    if let file = state.file, case .success(let status) = file.status(), status.st_nlink > 0 { return .success(file) }
    let split = SplitPath(path)
    return Descriptor.directory(making: split.directory, mode: 0o700).flatMap { directory in
      Descriptor.open(split.name, in: directory, O_RDWR | O_CREAT, mode: 0o600).flatMap { file in
        file.read(limit: Self.sizeLimit).flatMap { bytes in
          state = State(file: file, end: ActLines.end(of: bytes), allocated: bytes.count)
          return file.sync().flatMap { directory.sync() }.map { file }
        }
      }
    }
  }
}

/// The lines of an act log: `<wall nanoseconds> <phase> <kind> <name or -> <word> [<uid of the Secret>] <checksum>`.
package enum ActLines {
  package static func encode(_ acts: [Act]) -> [UInt8] {
    acts.flatMap { act -> [UInt8] in
      let (kind, name): (String, String) =
        switch act.kind {
        case .local: ("local", "-")
        case .unit: ("unit", "-")
        case .serverFiles: ("server-files", "-")
        case .node(let node): ("node", node.rawValue)
        case .secret(let secret): ("secret", secret)
        }
      var text = "\(act.at.nanoseconds) \(act.phase.rawValue) \(kind) \(name) \(act.word)"
      if let uid = act.secretUID, !uid.isEmpty, uid.utf8.allSatisfy(Ledger.isPlain) { text += " \(uid)" }
      return Array("\(text) \(checksum(text.utf8))\n".utf8)
    }
  }

  /// `nil` acts: a line that is whole makes no sense. A last line that is torn, and the zeros of room that was never
  /// used, are nothing.
  package static func decode(_ bytes: [UInt8]) -> (acts: [Act]?, badLine: Int) {
    let used = bytes[..<end(of: bytes)]
    var acts: [Act] = []
    for (index, line) in used.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
      .enumerated()
    {
      guard let act = act(line) else { return (nil, index + 1) }
      acts.append(act)
    }
    return (acts, 0)
  }

  /// Behind the last whole line before the first zero byte: where the next act goes. What is torn is written over.
  package static func end(of bytes: [UInt8]) -> Int {
    let used = bytes.prefix { $0 != 0 }
    return (used.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
  }

  /// No budget looks back further than a week (the policy's own limit), and none counts more than `largestRate` acts of
  /// its kind, each with its beginning and its end.
  package static func worthKeeping(_ acts: [Act]) -> [Act] {
    guard let newest = acts.map(\.at).max() else { return [] }
    var counts: [Budget.Kind: Int] = [:]
    let kept = acts.reversed().filter { act in
      counts[act.kind, default: 0] += 1
      return newest - act.at < .seconds(7 * 86_400) && counts[act.kind, default: 0] <= 2 * Limits.largestRate
    }
    return kept.reversed()
  }

  private static func act(_ line: ArraySlice<UInt8>) -> Act? {
    guard let text = String(validating: line, as: UTF8.self) else { return nil }
    let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard 6...7 ~= words.count, let time = Int64(words[0]), let phase = Act.Phase(rawValue: words[1]),
      checksum(words.dropLast().joined(separator: " ").utf8) == words.last
    else { return nil }
    let kind: Budget.Kind
    switch words[2] {
    case "local": kind = .local
    case "unit": kind = .unit
    case "server-files": kind = .serverFiles
    case "node":
      guard let name = NodeName(words[3]) else { return nil }
      kind = .node(name)
    case "secret": kind = .secret(words[3])
    default: return nil
    }
    return Act(
      at: WallTime(nanoseconds: time), kind: kind, phase: phase, word: words[4],
      secretUID: words.count == 7 ? words[5] : nil)
  }

  /// FNV-1a, 32 bits: tells a torn line, not a forger, who would have to be root anyway.
  private static func checksum(_ bytes: some Sequence<UInt8>) -> String {
    var hash: UInt32 = 0x811c_9dc5
    for byte in bytes {
      hash ^= UInt32(byte)
      hash &*= 0x0100_0193
    }
    return String(hash, radix: 16)
  }
}
