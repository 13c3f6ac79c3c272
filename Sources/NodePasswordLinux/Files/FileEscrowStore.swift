import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The escrow as one private file below `/var/lib/nodepassd`, plain or sealed.
package final class FileEscrowStore: EscrowStore {
  /// Damaged escrows that are kept beside the good one.
  package static let damagedLimit = 5
  /// How long an escrow that could not be unsealed is not tried again, as long as it is the same file.
  package static let unsealingPause = Duration.seconds(60)
  /// How often an escrow that is replaced while it is read is read again.
  private static let readLimit = 5

  /// A seal that was preferred and could not be made.
  package struct Refusal: Sendable {
    package var seal: Policy.Seal
    package var obstacle: Obstacle
  }

  /// What was unsealed last, so that not every look starts a program and waits for a TPM. It costs that the escrow's plain
  /// bytes stay in memory, as the daemon's own copy of what it last decoded does; they are wiped once another file takes
  /// the place of this one.
  private struct Unsealed {
    var identity: FileIdentity
    var answer: Result<SecretBytes, Obstacle>
    var at: SuspendingClock.Instant
  }

  let path: String
  let root: String
  private let entropy: any Entropy
  private let tool: CredentialTool
  private let pause: Duration
  private let queue = DispatchQueue(label: "nodepassd.escrow", target: FileQueue.shared)
  /// Sealing may take seconds, and password files share the queue above with this store.
  private let sealing = DispatchQueue(label: "nodepassd.sealing", qos: .userInitiated)
  private let preference = Mutex([Policy.Seal.plain])
  private let unsealed = Mutex<Unsealed?>(nil)
  private let refused = Mutex<[Refusal]>([])

  package init(
    paths: Paths, entropy: any Entropy, tool: CredentialTool = CredentialTool(),
    unsealingPause: Duration = FileEscrowStore.unsealingPause
  ) {
    path = paths.escrow
    root = paths.absolute("")
    self.entropy = entropy
    self.tool = tool
    pause = unsealingPause
  }

  package func prefer(_ seals: [Policy.Seal]) { preference.withLock { $0 = seals } }

  /// The preferred seals that the last `save` could not make, and why.
  package var refusals: [Refusal] { refused.withLock { $0 } }

  package func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    queue.async { @Sendable in
      switch self.look() {
      case .answer(let answer): completion(.success(answer))
      case .sealed(let sealed, let identity):
        self.aside({ .success(self.unseal(sealed, identity)) }, completion)
      }
    }
  }

  package func save(
    _ bytes: SecretBytes, settingAside: Bool, _ completion: @escaping Completion<Policy.Seal>
  ) {
    let seals = preference.withLock { $0 }
    queue.async { @Sendable in
      if seals.first == .plain { return completion(self.save(bytes, by: seals, settingAside)) }
      self.aside({ self.save(bytes, by: seals, settingAside) }, completion)
    }
  }

  /// Does what may take seconds on a queue of its own. Until it is done nothing else of this store begins, so that calls
  /// take effect in the order they were made in; the files that share its queue go on meanwhile.
  private func aside<Value: Sendable>(
    _ work: @escaping @Sendable () -> Result<Value, Obstacle>, _ completion: @escaping Completion<Value>
  ) {
    queue.suspend()
    sealing.async { @Sendable in
      let answer = work()
      self.queue.resume()
      completion(answer)
    }
  }

  // MARK: Load

  private enum Look {
    case answer(Observed<SecretBytes>)
    case sealed(SealedEscrow, FileIdentity)
  }

  private func look() -> Look {
    for _ in 0..<Self.readLimit {
      var status = stat()
      guard lstat(path, &status) == 0 else {
        if errno != ENOENT && errno != ENOTDIR { return .answer(.unknown(.system(errno, at: path))) }
        unsealed.withLock { $0 = nil }
        return .answer(.absent)
      }
      let identity = FileIdentity(status)
      if let known = lastUnsealed(identity) { return .answer(known) }
      // As much as there is: what is larger than any escrow is not read at all.
      let limit = min(max(Int(status.st_size), 0), SealedEscrow.sizeLimit)
      switch WholeFile.read(path, limit: limit, followingLink: false) {
      case .absent: continue
      case .unknown(let obstacle):
        if isStill(identity) { return .answer(.unknown(obstacle.orDamage)) }
      case .present(var bytes):
        defer { Wipe.bytes(&bytes) }
        if isStill(identity) { return judge(bytes, identity) }
      }
    }
    return .answer(.unknown(Obstacle(.conflict, at: path, "it changes while it is read")))
  }

  private func isStill(_ identity: FileIdentity) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && FileIdentity(status) == identity
  }

  private func judge(_ bytes: [UInt8], _ identity: FileIdentity) -> Look {
    guard SealedEscrow.isSealed(bytes) else {
      unsealed.withLock { $0 = nil }
      guard bytes.count <= EscrowDocument.sizeLimit else {
        return .answer(.unknown(Obstacle(.malformed, at: path, "it is larger than \(EscrowDocument.sizeLimit) bytes")))
      }
      return .answer(.present(SecretBytes(copying: bytes)))
    }
    guard let sealed = SealedEscrow.decode(bytes) else {
      return .answer(.unknown(Obstacle(.malformed, at: path, "it is sealed, and damaged or of another version")))
    }
    if let obstacle = hindrance(sealed) { return .answer(.unknown(obstacle)) }
    return .sealed(sealed, identity)
  }

  /// What can be told without unsealing.
  private func hindrance(_ sealed: SealedEscrow) -> Obstacle? {
    // Unknown is not another: where the hardware cannot be read now, the escrow inside says whose it is.
    if let machine = sealed.machine, let here = HardwareIdentity.read(root: root).value, machine != here {
      return Obstacle(.foreign, at: path, "it was sealed on another machine, \(machine)")
    }
    guard sealed.seal == .host, let before = sealed.machineID, before != machineID else { return nil }
    // Not even tried: systemd-creds deletes the host key when it meets it under another machine-id, and with it all hope.
    return Obstacle(
      .sealed, at: path, "it was sealed with the host key of another machine-id; /etc/machine-id is not the one it was")
  }

  private var machineID: String? { FactFile.line(root + "/etc/machine-id").value.flatMap { $0.isEmpty ? nil : $0 } }

  /// `nil`: this file was not unsealed yet, or it is time to try again.
  private func lastUnsealed(_ identity: FileIdentity) -> Observed<SecretBytes>? {
    unsealed.withLock { last in
      guard let found = last, found.identity == identity else { return nil }
      switch found.answer {
      case .success(let bytes): return .present(bytes)
      case .failure(let obstacle): return SuspendingClock.now - found.at < pause ? .unknown(obstacle) : nil
      }
    }
  }

  private func unseal(_ sealed: SealedEscrow, _ identity: FileIdentity) -> Observed<SecretBytes> {
    let answer = tool.unseal(sealed.body).mapError { cause in
      Obstacle(.sealed, at: path, "it cannot be unsealed (\(sealed.seal.rawValue)): \(cause)")
    }
    remember(answer, identity)
    switch answer {
    case .success(let bytes): return .present(bytes)
    case .failure(let obstacle): return .unknown(obstacle)
    }
  }

  private func remember(_ answer: Result<SecretBytes, Obstacle>, _ identity: FileIdentity) {
    unsealed.withLock { $0 = Unsealed(identity: identity, answer: answer, at: SuspendingClock.now) }
  }

  // MARK: Save

  /// The first seal that can be made. One that cannot be *written* ends it: the next would be a weaker one for no reason.
  private func save(
    _ bytes: SecretBytes, by seals: [Policy.Seal], _ settingAside: Bool
  ) -> Result<Policy.Seal, Obstacle> {
    var refusals: [Refusal] = []
    defer { refused.withLock { $0 = refusals } }
    for seal in seals {
      if seal == .plain {
        unsealed.withLock { $0 = nil }
        return bytes.withBytes { write($0, settingAside) }.map { _ in .plain }
      }
      switch tool.seal(bytes, by: seal) {
      case .failure(let obstacle): refusals.append(Refusal(seal: seal, obstacle: obstacle))
      case .success(let body): return write(sealed(body, by: seal, bytes), settingAside).map { keep(bytes, $0, seal) }
      }
    }
    return .failure(refusals.last?.obstacle ?? Obstacle(.notConfigured, at: path, "the policy names no seal"))
  }

  private func sealed(_ body: [UInt8], by seal: Policy.Seal, _ bytes: SecretBytes) -> [UInt8] {
    var node: NodeName?
    if case .success(let document) = EscrowDocument.decode(bytes) { node = document.node }
    return SealedEscrow(
      seal: seal, machine: HardwareIdentity.read(root: root).value, node: node,
      machineID: seal == .host ? machineID : nil, body: body
    ).encode()
  }

  private func keep(_ bytes: SecretBytes, _ identity: FileIdentity, _ seal: Policy.Seal) -> Policy.Seal {
    remember(.success(bytes), identity)
    return seal
  }

  private func write(_ sealed: [UInt8], _ settingAside: Bool) -> Result<FileIdentity, Obstacle> {
    // What was readable before is written over once its name is gone, as far as the disk does that in place.
    let old = settingAside ? nil : Erasure.open(path)
    return sealed.withUnsafeBytes { write($0, settingAside) }.map { identity in
      if let old { Erasure.overwrite(old) }
      return identity
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, _ settingAside: Bool) -> Result<FileIdentity, Obstacle> {
    guard settingAside else { return replace(bytes) }
    return SetAside.make(of: path, atMost: Self.damagedLimit).flatMap { aside in
      let answer = replace(bytes)
      if case .failure = answer { aside?.takeBack() }
      return answer
    }
  }

  private func replace(_ bytes: UnsafeRawBufferPointer) -> Result<FileIdentity, Obstacle> {
    AtomicFile(path, entropy: entropy)
      .replace(with: bytes, AtomicFile.Attributes(mode: 0o600, keepsOwner: false), directoryMode: 0o700)
  }
}

extension Obstacle {
  /// An escrow too large to be one is damaged, and may be set aside like any damaged one.
  fileprivate var orDamage: Obstacle {
    kind == .tooLarge ? Obstacle(.malformed, at: place, detail) : self
  }
}
