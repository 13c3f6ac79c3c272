import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct PasswordHashTests {
  /// Made with Python's hashlib.scrypt and accepted by K3s's own verifier (k3s-facts 2.2).
  static let vector =
    "$1:0001020304050607:15:8:1:btMKawYzePCVprWTafuhSD+rVvOqnwRn7oazkVIQIgAOX4WFgoUh1zKdK7QNc8We6TZuRWoD0nZPHgd/xwJZlw"

  private func parse(_ text: String) -> Result<PasswordHash, PasswordHashFault> {
    PasswordHash.parse(SecretBytes(copying: Array(text.utf8)))
  }

  private func text(_ secret: SecretBytes) -> String { secret.withBytes { String(decoding: $0, as: UTF8.self) } }

  @Test func theVectorIsReadAndWritten() throws {
    let hash = try parse(Self.vector).get()
    #expect(hash.salt == Array(0...7))
    #expect(hash.cost == .k3s)
    #expect(hash.key.count == 64)
    #expect(text(hash.encode()) == Self.vector)
    #expect(Self.vector.utf8.count == PasswordHash.textLength)
  }

  @Test func aNewlineAtTheEndIsTolerated() throws {
    #expect(try text(parse(Self.vector + "\n").get().encode()) == Self.vector)
  }

  /// What K3s says of damaged values (observed-k3s 3), and what it should refuse but does not (k3s-facts 2.2).
  @Test(arguments: [
    ("", "unexpected EOF"), ("\n", "unexpected EOF"), ("garbage", "input does not match format"),
    ("$2:0001020304050607:15:8:1:AA", "hash version 2 does not match package version 1"),
    ("$99999999999:x", "hash version unknown does not match package version 1"),
    (vector + "==", "illegal base64 data"), (vector + "\n\n", "illegal base64 data"),
    (String(vector.dropLast()), "illegal base64 data"), (String(vector.dropLast(2)), "the key is not 64 bytes"),
    (String(vector.dropLast(43)), "the key is not 64 bytes"),
    ("$1:0001020304050607:15:8:1:", "the key is not 64 bytes"),
    ("$1:000102030405060:15:8:1:AA", "the salt is not 8 bytes of hex"),
    ("$1:000102030405060G:15:8:1:AA", "the salt is not 8 bytes of hex"),
    ("$1:0001020304050607:26:8:1:AA", "the scrypt parameters are not 15:8:1"),
    ("$1:0001020304050607:15:1024:1:AA", "the scrypt parameters are not 15:8:1"),
    ("$1:0001020304050607:15:8:99999999999999999999:AA", "the scrypt parameters are not 15:8:1"),
    ("$1:0001020304050607:-1:8:1:AA", "the scrypt parameters are not 15:8:1"),
    ("$1:0001020304050607:15:8", "input does not match format"),
    (String(repeating: "$1:", count: 1000), "input is longer than any hash"),
  ])
  func damagedValuesAreNamed(_ text: String, _ reason: String) {
    guard case .failure(let fault) = parse(text) else {
      Issue.record("accepted")
      return
    }
    #expect(fault.description == reason)
  }

  /// Every change of one byte is refused or is another hash; none traps, and none is the same.
  @Test func everyMutationIsNoticed() throws {
    let original = Array(Self.vector.utf8)
    let key = try parse(Self.vector).get()
    for index in original.indices {
      for byte in UInt8.min...UInt8.max where byte != original[index] {
        var mutated = original
        mutated[index] = byte
        if case .success(let hash) = PasswordHash.parse(SecretBytes(copying: mutated)) {
          #expect(!hash.key.isEqual(to: key.key) || hash.salt != key.salt, "byte \(index) as \(byte)")
        }
      }
    }
  }

  @Test func nothingOfASecretIsPrinted() {
    let secret = SecretBytes(copying: Array("hunter2".utf8))
    let password = NodePassword(copying: Array("hunter2".utf8))
    var dumped = ""
    dump(password, to: &dumped)
    dump(secret, to: &dumped)
    for text in ["\(secret)", "\(password)", String(reflecting: password), String(reflecting: secret), dumped] {
      #expect(!text.contains("hunter2"))
    }
  }

  @Test func comparingLooksAtLengthAndEveryByte() {
    let password = NodePassword(copying: Array("abcdef".utf8))
    #expect(password.isEqual(to: NodePassword(copying: Array("abcdef".utf8))))
    for other in ["abcdeg", "bbcdef", "abcde", "abcdefg", ""] {
      #expect(!password.isEqual(to: NodePassword(copying: Array(other.utf8))))
    }
  }
}
