import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization
import Testing

@Suite struct SystemScryptTests {
  private static let password = NodePassword(copying: Array("47211f28f469622cccf893071dbda698".utf8))
  private static let salt: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 7]
  /// The key of k3s-facts 2.2, which K3s's own verifier accepts: base64 without padding.
  private static let key = "btMKawYzePCVprWTafuhSD+rVvOqnwRn7oazkVIQIgAOX4WFgoUh1zKdK7QNc8We6TZuRWoD0nZPHgd/xwJZlw"

  @Test func derivesWhatK3sDerives() throws {
    let inbox = Inbox<Result<SecretBytes, Obstacle>>()
    ScryptDerivation().scrypt(Self.password, salt: Self.salt, cost: .k3s) { inbox.put($0) }
    let derived = try #require(inbox.next()).get()
    #expect(derived.isEqual(to: SecretBytes(copying: Self.decoded(Self.key))))
  }

  @Test func anotherPasswordHasAnotherKey() throws {
    let inbox = Inbox<Result<SecretBytes, Obstacle>>()
    let derivation = ScryptDerivation()
    derivation.scrypt(NodePassword(copying: [0x61]), salt: Self.salt, cost: .k3s) { inbox.put($0) }
    derivation.scrypt(NodePassword(copying: []), salt: Self.salt, cost: .k3s) { inbox.put($0) }
    let keys = try (0..<2).map { _ in try #require(inbox.next()).get() }
    #expect(!keys[0].isEqual(to: keys[1]))
    #expect(!keys[0].isEqual(to: SecretBytes(copying: Self.decoded(Self.key))))
  }

  @Test func refusesAnyOtherCost() throws {
    let inbox = Inbox<Result<SecretBytes, Obstacle>>()
    ScryptDerivation().scrypt(Self.password, salt: Self.salt, cost: .init(logN: 20, r: 8, p: 1)) { inbox.put($0) }
    let answer = try #require(inbox.next())
    #expect(throws: Obstacle.self) { try answer.get() }
    if case .failure(let obstacle) = answer { #expect(obstacle.kind == .malformed) }
  }

  @Test func refusesMoreThanItsBacklogAndRecovers() throws {
    let inbox = Inbox<Result<SecretBytes, Obstacle>>()
    let derivation = ScryptDerivation()
    let count = ScryptDerivation.backlogLimit + 3
    // The first answer, on the derivation's own queue, holds the others back until all have been asked for.
    let held = DispatchSemaphore(value: 0)
    let isFirst = Mutex(true)
    for _ in 0..<count {
      derivation.scrypt(Self.password, salt: Self.salt, cost: .k3s) { answer in
        let waits = isFirst.withLock { first in
          defer { if case .success = answer { first = false } }
          if case .success = answer { return first }
          return false
        }
        if waits { held.wait() }
        inbox.put(answer)
      }
    }
    held.signal()
    let answers = (0..<count).compactMap { _ in inbox.next() }
    #expect(answers.count == count)
    let busy = answers.filter { answer in
      if case .failure(let obstacle) = answer { obstacle.kind == .busy } else { false }
    }
    // Asking takes microseconds and a derivation a tenth of a second; one may have been done in between at most.
    #expect((2...3).contains(busy.count))
    derivation.scrypt(Self.password, salt: Self.salt, cost: .k3s) { inbox.put($0) }
    _ = try #require(inbox.next()).get()
  }

  private static func decoded(_ text: String) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var bytes: [UInt8] = []
    var pool = 0
    var bits = 0
    for character in text {
      pool = (pool << 6 | (alphabet.firstIndex(of: character) ?? 0)) & 0xffff
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: pool >> bits))
      }
    }
    return bytes
  }
}
