import NodePasswordCore
import NodePasswordDaemon
import Synchronization
import Testing

/// Counts, and answers when told to.
private final class ManualDerivation: KeyDerivation {
  private struct State {
    var calls = 0
    var waiting: [Completion<SecretBytes>] = []
  }

  private let state = Mutex(State())
  let key: SecretBytes

  init(key: SecretBytes) { self.key = key }

  var calls: Int { state.withLock { $0.calls } }

  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    state.withLock { state in
      state.calls += 1
      state.waiting.append(completion)
    }
  }

  func answer(_ result: Result<SecretBytes, Obstacle>? = nil) {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
    for completion in waiting { completion(result ?? .success(key)) }
  }
}

@Suite struct HashVerifierTests {
  private let file = PasswordIdentity.file(FileIdentity(device: 1, inode: 2, changeTime: 3, size: 33))
  private let password = NodePassword(copying: Array("x".utf8))

  private func derivation() throws -> ManualDerivation {
    ManualDerivation(key: try PasswordHash.parse(SecretBytes(copying: Array(PasswordHashTests.vector.utf8))).get().key)
  }

  private func secret(uid: String = "u", version: String = "1", hash: String? = PasswordHashTests.vector)
    -> SecretReading
  {
    SecretReading(
      identity: SecretIdentity(name: "edge-1.node-password.k3s", uid: uid, resourceVersion: version), type: "Opaque",
      isImmutable: true, isBeingDeleted: false, hash: hash.map { SecretBytes(copying: Array($0.utf8)) })
  }

  private final class Answers: Sendable {
    let all = Mutex<[Observed<Verdict>]>([])
    var list: [Observed<Verdict>] { all.withLock { $0 } }
    @Sendable func take(_ answer: Observed<Verdict>) { all.withLock { $0.append(answer) } }
  }

  @Test func aVerdictIsNeverComputedTwice() throws {
    let derivation = try derivation()
    let verifier = HashVerifier(derivation: derivation)
    let answers = Answers()
    verifier.verify(password, file, secret(), answers.take)
    verifier.verify(password, file, secret(), answers.take)
    #expect(derivation.calls == 1, "two who ask at once share one computation")
    derivation.answer()
    verifier.verify(password, file, secret(), answers.take)
    #expect(derivation.calls == 1)
    #expect(answers.list == [.present(.matches), .present(.matches), .present(.matches)])
  }

  @Test func anotherSecretVersionOrFileIsAnotherQuestion() throws {
    let derivation = try derivation()
    let verifier = HashVerifier(derivation: derivation)
    let answers = Answers()
    for (identity, secret) in [
      (file, secret()), (file, secret(version: "2")), (file, secret(uid: "v")),
      (.file(FileIdentity(device: 1, inode: 2, changeTime: 4, size: 33)), secret()), (.escrow(1), secret()),
      (.escrow(2), secret()),
    ] {
      verifier.verify(password, identity, secret, answers.take)
    }
    #expect(derivation.calls == 6)
  }

  @Test func aFullQueueIsNotRemembered() throws {
    let derivation = try derivation()
    let verifier = HashVerifier(derivation: derivation)
    let answers = Answers()
    let busy = Obstacle(.busy, at: "scrypt", "full")
    verifier.verify(password, file, secret(), answers.take)
    derivation.answer(.failure(busy))
    verifier.verify(password, file, secret(), answers.take)
    derivation.answer()
    #expect(answers.list == [.unknown(busy), .present(.matches)])
  }

  @Test func aDamagedHashCostsNothing() throws {
    let derivation = try derivation()
    let verifier = HashVerifier(derivation: derivation)
    let answers = Answers()
    verifier.verify(password, file, secret(hash: "$1:0001020304050607:26:8:1:AA"), answers.take)
    verifier.verify(password, file, secret(hash: nil), answers.take)
    #expect(derivation.calls == 0, "64 GiB are never asked for")
    #expect(answers.list.compactMap(\.obstacle?.kind) == [.malformed, .malformed])
  }

  @Test func anotherKeyDiffers() throws {
    let derivation = try derivation()
    let verifier = HashVerifier(derivation: derivation)
    let answers = Answers()
    verifier.verify(password, file, secret(), answers.take)
    derivation.answer(.success(SecretBytes(copying: [UInt8](repeating: 0, count: 64))))
    #expect(answers.list == [.present(.differs)])
  }
}
