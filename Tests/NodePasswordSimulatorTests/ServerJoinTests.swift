import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// The pretended server speaks as the real ones do, and the daemon's grammar takes its word for no more than it says.
@Suite struct ServerJoinTests {
  private static let time = WallTime(seconds: 1_790_000_000)
  private static let versions: [ServerVersion] = [
    .v1_21_3, .v1_26_5, .v1_26_6, ServerVersion(31, 3), ServerVersion(31, 4), .v1_33_5, .v1_34_2,
  ]

  private static func lines(_ answer: APIResponse) -> [JoinLine] {
    answer.journal.compactMap { LogLine($0.text.utf8).flatMap { JoinLine($0) } }
  }

  private static func model(_ version: ServerVersion, _ distribution: Distribution) -> ServerModel {
    ServerModel(ServerModel.Configuration(distribution: distribution, version: version), at: time) {
      password, salt, _, length in
      (0..<length).map { UInt8(truncatingIfNeeded: $0) &+ (password + salt).reduce(0, &+) }
    }
  }

  @Test(arguments: versions, Distribution.allCases)
  func aMismatchIsReadAsOne(_ version: ServerVersion, _ distribution: Distribution) throws {
    var server = Self.model(version, distribution)
    let first = server.register("edge-7", password: "right", at: Self.time)
    #expect(first.status == 200 && Self.lines(first).isEmpty)
    #expect(Self.lines(server.register("edge-7", password: "right", at: Self.time)).isEmpty)
    let answer = server.register("edge-7", password: "wrong", peer: "[fd00::7]:45606", at: Self.time)
    let line = try #require(Self.lines(answer).first)
    #expect(answer.status == 403 && Self.lines(answer).count == 1)
    #expect(line.cause == .passwordMismatch && line.node?.rawValue == "edge-7")
    #expect(line.peer == (version.defersVerification ? "fd00::7" : nil))
    let empty = Self.lines(server.register("edge-7", password: "", peer: "10.0.0.7:1", at: Self.time))
    #expect(empty.map(\.cause) == [.emptyPassword])
  }

  @Test(arguments: versions)
  func otherFailuresAreNoMismatch(_ version: ServerVersion) {
    var server = Self.model(version, .k3s)
    server.secretCreationObstacle = "exceeded quota: q"
    let answer = server.register("edge-7", password: "any", at: Self.time)
    #expect(Self.lines(answer).allSatisfy { $0.cause != .passwordMismatch })
    let stranger = server.register(
      "edge-7", password: "any", as: Credentials(basic: .init(user: "node", password: "no-token")), at: Self.time)
    #expect(Self.lines(stranger).isEmpty)
  }
}
