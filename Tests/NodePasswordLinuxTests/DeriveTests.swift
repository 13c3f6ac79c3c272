import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct DeriveTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  struct Vector: Sendable {
    var key: Key
    var node: String
    var generation: Int
    var password: String
  }

  enum Key: Sendable {
    case counting, hex, long

    var bytes: [UInt8] {
      switch self {
      case .counting: Array(0..<32)
      case .hex: Array("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".utf8)
      case .long: (0..<4096).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
      }
    }
  }

  /// By Python's hmac and hashlib after RFC 5869 (which gives its own A.3 so), salt empty, info
  /// `b"nodepassd node-password 1\0" + name + b"\0" + str(generation)`.
  static let vectors: [Vector] = [
    Vector(key: .counting, node: "edge-1", generation: 1, password: "0763d4aa249be17582c781a5d5910489"),
    Vector(key: .counting, node: "edge-1", generation: 2, password: "e15129099273fea17a9eff285f6c47da"),
    Vector(key: .counting, node: "edge-2", generation: 1, password: "ae361333a3c9e3c412bce8435f9ac994"),
    Vector(key: .counting, node: "node.example.com", generation: 1, password: "15cb1cd0241f2dd2fffa33084615a360"),
    Vector(key: .counting, node: "a", generation: 999_999_999, password: "d590d31f3729ed21f6273967f35a677e"),
    Vector(key: .counting, node: "edge-11", generation: 1, password: "f97e264fbc4a1d5f4bea78b4bbcfe07c"),
    Vector(key: .counting, node: "edge-1", generation: 11, password: "130f4f50629a3f3ec5bbdcac21f47788"),
    Vector(key: .hex, node: "edge-1", generation: 1, password: "8111fa4bcbebe843ec0d4e8f0fe049c7"),
    Vector(key: .hex, node: "edge-1", generation: 2, password: "e1c45f86d1c3ef8d0fb0773e6178e99c"),
    Vector(key: .hex, node: "node.example.com", generation: 1, password: "a942f92cb121231036430b435d53d55f"),
    Vector(key: .hex, node: "a", generation: 999_999_999, password: "b6ad709578ee7781b2e9faf17ccac2bd"),
    Vector(key: .long, node: "edge-1", generation: 1, password: "0f5db577ab039807c0986c3934c53938"),
    Vector(key: .long, node: "edge-11", generation: 1, password: "183d1c8c78bfaab383e6055592837125"),
    Vector(key: .long, node: "edge-1", generation: 11, password: "c7b7058d8373bd00bac2c7b21872ad6e"),
  ]

  private func key(_ bytes: [UInt8], mode: Int = 0o600) throws -> Result<FleetKey, Obstacle> {
    try root.write(bytes, "/fleet-key", mode: mode)
    return FleetKey.read(root.path + "/fleet-key")
  }

  @Test(arguments: vectors)
  func derivesWhatTheRuleSays(_ vector: Vector) throws {
    let expected = NodePassword(copying: Array(vector.password.utf8))
    for name in [vector.node, vector.node.uppercased(), vector.node.capitalized] {
      let node = try #require(NodeName(name))
      let rule = try #require(DerivedPassword(node: node, generation: vector.generation))
      for newline in [[], [UInt8(ascii: "\n")]] {
        #expect(try key(vector.key.bytes + newline).get().password(for: rule).isEqual(to: expected), "\(name)")
      }
    }
  }

  /// No two nodes, generations or keys share a password, however their words are put together.
  @Test func nothingElseDerivesTheSame() throws {
    let names = ["a", "b", "a-1", "a1", "a.1", "1", "a-1.1", "11", "1.1"].compactMap { NodeName($0) }
    var seen: Set<[UInt8]> = []
    for bytes in [Key.counting.bytes, Key.hex.bytes, Key.counting.bytes + [0]] {
      let key = try key(bytes).get()
      for name in names {
        for generation in [1, 2, 11, 111] {
          let rule = try #require(DerivedPassword(node: name, generation: generation))
          seen.insert(key.password(for: rule).withBytes { Array($0) })
        }
      }
    }
    #expect(seen.count == 3 * names.count * 4)
    #expect(seen.allSatisfy { $0.count == 32 })
  }

  @Test func generationsHaveBounds() throws {
    let name = try #require(NodeName("a"))
    for generation in [Int.min, -1, 0, 1_000_000_000, .max] {
      #expect(DerivedPassword(node: name, generation: generation) == nil)
    }
  }

  // MARK: The key's file

  @Test func whatIsNoFleetKeyIsRefused() throws {
    let random = Key.hex.bytes
    for bytes in [
      [], [UInt8(ascii: "\n")], Array(random.prefix(31)), Array(random.prefix(31)) + [UInt8(ascii: "\n")],
      [UInt8](repeating: 0, count: 32), Array("abcabcabcabcabcabcabcabcabcabcabcabc".utf8),
      (0..<4097).map { UInt8(truncatingIfNeeded: $0) }, (0..<100_000).map { UInt8(truncatingIfNeeded: $0) },
    ] {
      guard case .failure(let obstacle) = try key(bytes) else {
        Issue.record("took \(bytes.count) bytes")
        continue
      }
      #expect(obstacle.kind == .malformed && obstacle.detail.contains("openssl rand -hex 32"))
    }
    for mode in [0o644, 0o640, 0o604, 0o660, 0o610] {
      guard case .failure(let obstacle) = try key(random, mode: mode) else {
        Issue.record("took mode \(String(mode, radix: 8))")
        continue
      }
      #expect(obstacle.detail.contains("chmod 600"))
    }
    for mode in [0o600, 0o400] { #expect(throws: Never.self) { try key(random, mode: mode).get() } }
    #expect(FleetKey.read(root.path + "/none").obstacle?.detail == "there is no such file")
    #expect(symlink(root.path + "/fleet-key", root.path + "/link") == 0)
    #expect(FleetKey.read(root.path + "/link").obstacle?.kind == .malformed)
    #expect(mkfifo(root.path + "/fifo", 0o600) == 0)
    #expect(FleetKey.read(root.path + "/fifo").obstacle?.kind == .malformed)
    #expect(FleetKey.read(root.path).obstacle?.kind == .malformed)
  }

  @Test(.enabled(if: geteuid() == 0)) func anotherUsersKeyIsRefused() throws {
    _ = try key(Key.hex.bytes)
    #expect(chown(root.path + "/fleet-key", 12_345, 0) == 0)
    #expect(FleetKey.read(root.path + "/fleet-key").obstacle?.detail == "it belongs to user 12345")
  }

  @Test func theCredentialIsTakenAsSystemdGivesIt() throws {
    func read() -> Observed<FleetKey> {
      FleetKey.read(CredentialDirectory(environment: ["CREDENTIALS_DIRECTORY": root.path + "/credentials"]))
    }
    #expect(read().isAbsent)
    #expect(FleetKey.read(CredentialDirectory(environment: [:])).isAbsent)
    try root.write(Key.hex.bytes, "/credentials/fleet-key", mode: 0o440)
    #expect(read().value != nil)
    try root.write("short", "/credentials/fleet-key", mode: 0o440)
    #expect(read().obstacle?.kind == .malformed)
  }

  // MARK: The file that is written

  @Test func aPrivateFileIsPrivateAndNobodyElses() throws {
    let path = root.path + "/out"
    func write(_ text: String, replacing: Bool = false) -> Obstacle? {
      PrivateFile.write(
        SecretBytes(copying: Array(text.utf8)), to: path, replacing: replacing, entropy: CountingEntropy()
      ).obstacle
    }
    #expect(write("one") == nil)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
    #expect(write("two")?.kind == .conflict && root.read("/out") == "one")
    #expect(chmod(path, 0o644) == 0)
    #expect(write("three", replacing: true) == nil && root.read("/out") == "three")
    #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
    #expect(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
    #expect(write("four", replacing: true)?.kind == .malformed)
    #expect(unlink(path) == 0 && symlink(root.path + "/target", path) == 0)
    #expect(write("five", replacing: true)?.kind == .malformed && root.read("/target") == nil)
    #expect(unlink(path) == 0 && root.names("/").isEmpty, "nothing is left of an attempt")
    #expect(
      PrivateFile.write(
        SecretBytes(copying: [1]), to: root.path + "/no/such/directory", replacing: false, entropy: CountingEntropy()
      ).obstacle != nil)
    #expect(root.names("/").isEmpty)
  }
}
