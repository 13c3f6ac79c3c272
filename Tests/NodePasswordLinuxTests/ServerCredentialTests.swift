import Crypto
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// Trees as real servers leave them, drifted, through the real adapter (k3s-facts 3.1, 3.2; observed-k3s 7).
@Suite struct ServerCredentialTests {
  static let versions = [
    (0, 5, 0), (0, 6, 1), (0, 7, 0), (0, 10, 2), (1, 0, 0), (1, 17, 17), (1, 18, 20), (1, 19, 0), (1, 19, 1),
    (1, 19, 8), (1, 20, 0), (1, 21, 3), (1, 22, 5), (1, 23, 5), (1, 24, 3), (1, 24, 4), (1, 25, 0), (1, 26, 5),
    (1, 26, 6), (1, 26, 7), (1, 26, 8), (1, 28, 0), (1, 31, 14), (1, 33, 5), (1, 34, 2), (1, 36, 0),
  ].map { KubernetesVersion(major: $0.0, minor: $0.1, patch: $0.2) }

  /// What every one of them leaves open (k3s-facts 3.2).
  static func kubeconfigsAreOpen(_ version: KubernetesVersion) -> Bool {
    version < KubernetesVersion(major: 1, minor: 26, patch: 8)
  }

  static func machine(_ distribution: Distribution, _ root: PrivateRoot) -> Installation {
    Installation(
      distribution: distribution, hasServerRole: true, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
      dataDirectory: distribution.defaultDataDirectory, passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: []))
  }

  static func look(_ root: PrivateRoot, _ tree: ServerTree) throws -> CredentialObservation {
    let port = LinuxServerCredentials(paths: root.paths)
    let answer = try wait { port.read(machine(tree.distribution, root), $0) }
    let reading = try #require(try answer.get().value)
    let seen = CredentialJudge(reading, tree.distribution, at: tree.directory).observation()
    var told = "\(reading)\(seen)"
    dump(reading, to: &told)
    dump(seen, to: &told)
    for secret in tree.secrets { #expect(!told.contains(secret), "law L5") }
    return seen
  }

  static func tighten(_ files: [CredentialFile], _ root: PrivateRoot) throws -> Result<Void, Obstacle> {
    let port = LinuxServerCredentials(paths: root.paths)
    return try wait { port.tighten(files, machine(.k3s, root), $0) }
  }

  // MARK: As they are left

  @Test(arguments: versions, [nil, "a9e27f5b8c3d4e1f"])
  func aTreeOfEachReleaseIsAsItShouldBe(_ version: KubernetesVersion, _ agentPassword: String?) throws {
    for distribution in Distribution.allCases {
      let root = try PrivateRoot()
      var tree = try ServerTree(distribution, version)
      tree.agentPassword = agentPassword
      tree.rows = [
        .init("alpha", "47211f28f469622cccf893071dbda698"), .init("beta", "5d41402abc4b2a76b9719d911017c592"),
      ]
      tree.hasSecretsEncryption = version.minor.isMultiple(of: 2)
      try tree.write(below: root.path)
      let seen = try Self.look(root, tree)
      #expect(seen.obstacles.isEmpty, "\(seen)")
      let isBeforeOne = version.major == 0
      let agentFile = version >= KubernetesVersion(major: 1, minor: 24, patch: 4)
      #expect(seen.server.isAbsent == isBeforeOne && seen.agent.isAbsent == !agentFile && !seen.node.isAbsent)
      for (place, token) in seen.tokens {
        guard let token = token.value else { continue }
        #expect(token.form == .full && token.isPinRight == .present(true), "\(place)")
        #expect(token.standing == .present(.known), "\(place) of \(version)")
        let isLink = place == .node ? !isBeforeOne : place == .agent && agentPassword == nil
        #expect(token.isLink == isLink, "\(place)")
      }
      #expect(seen.authority.value?.certificates == 1)
      let years = try #require(seen.authority.value?.notAfter).seconds - Int64(Date.now.timeIntervalSince1970)
      #expect((9 * 31_000_000...11 * 32_000_000).contains(years), "ten years")
      let nodeRows = isBeforeOne && version.minor < 7 ? 2 : 0
      let administrators =
        isBeforeOne ? 3 + nodeRows : version < KubernetesVersion(major: 1, minor: 19, patch: 1) ? 1 : 0
      #expect(seen.users.value?.administrators == administrators)
      #expect(seen.users.value?.rows == (isBeforeOne ? 3 + nodeRows : 2 + administrators))
      let exposed = try #require(seen.files.value).exposed
      #expect(seen.files.value?.drifted.isEmpty == true, "nobody did wrong")
      #expect(exposed.allSatisfy(\.isKubeconfigOfOldVersion) && exposed.isEmpty != Self.kubeconfigsAreOpen(version))
    }
  }

  @Test func theRootOfAChainIsWhatATokenPins() throws {
    let root = try PrivateRoot()
    var tree = try ServerTree(.k3s, Self.versions[0])
    tree.version = KubernetesVersion(major: 1, minor: 34, patch: 2)
    try tree.useChain()
    try tree.write(below: root.path)
    #expect(try Self.look(root, tree).server.value?.isPinRight == .present(true))
    #expect(try Self.look(root, tree).authority.value?.certificates == 2)
    // The hash of the bytes as they are stored is that of a single certificate alone.
    let stored = SHA256.hash(data: Data(tree.authority.utf8)).map { String(format: "%02x", $0) }.joined()
    try root.write("K10\(stored)::server:\(tree.serverPassword)\n", "\(tree.directory)/token")
    #expect(try Self.look(root, tree).server.value?.isPinRight == .present(false))
    // Without its root nobody can say what K3s pins (law L3).
    let first = try #require(tree.authority.range(of: "-----END CERTIFICATE-----\n")).upperBound
    let stranger = try ServerTree(.k3s, tree.version).authority
    try root.write(tree.authority[..<first] + stranger, "\(tree.directory)/tls/server-ca.crt")
    let seen = try Self.look(root, tree)
    #expect(seen.authority.obstacle?.kind == .malformed && seen.server.value?.isPinRight.obstacle != nil)
  }

  // MARK: Drifted

  private static let current = KubernetesVersion(major: 1, minor: 34, patch: 2)

  private static func drifted(
    _ version: KubernetesVersion = current, _ prepare: (inout ServerTree) -> Void = { _ in },
    _ change: (PrivateRoot, ServerTree) throws -> Void
  ) throws -> CredentialObservation {
    let root = try PrivateRoot()
    var tree = try ServerTree(.k3s, version)
    prepare(&tree)
    try tree.write(below: root.path)
    try change(root, tree)
    return try look(root, tree)
  }

  @Test(arguments: [(1, 18, 20), (1, 21, 3), (1, 34, 2)]) func anotherAuthorityIsSeen(_ numbers: (Int, Int, Int)) throws
  {
    let version = KubernetesVersion(major: numbers.0, minor: numbers.1, patch: numbers.2)
    let seen = try Self.drifted(version) { root, tree in
      try root.write(ServerTree(.k3s, version).authority, "\(tree.directory)/tls/server-ca.crt", mode: 0o644)
    }
    for (_, token) in seen.tokens where !token.isAbsent { #expect(token.value?.isPinRight == .present(false)) }
    #expect(seen.server.value?.standing == .present(.known))
  }

  @Test(
    arguments: [
      ("", nil, .malformed), ("no certificate", nil, .malformed),
      ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", nil, .malformed),
      ("-----BEGIN CERTIFICATE-----\n", nil, .malformed), (nil, nil, nil),
    ] as [(String?, Bool?, Obstacle.Kind?)])
  func anAuthorityThatCannotBeReadDecidesNothing(_ text: String?, _ pin: Bool?, _ kind: Obstacle.Kind?) throws {
    let seen = try Self.drifted { root, tree in
      let file = "\(tree.directory)/tls/server-ca.crt"
      if let text { try root.write(text, file) } else { try root.remove(file) }
    }
    #expect(seen.authority.obstacle?.kind == kind && seen.authority.value == nil)
    #expect(seen.server.value?.isPinRight.obstacle?.kind == kind && seen.server.value?.isPinRight.value == pin)
  }

  @Test(
    arguments: [
      ("P,node,node,k3s:agent\nP,server,server,k3s:server\n", .known, .known),
      // Go writes quotes where they are needed, and reads them anywhere.
      ("\"P\",\"node\",node,\"k3s:agent\"\r\nP,server,server,\"k3s:server,other\"\r\n", .known, .known),
      ("P,node,node,k3s:agent\n", .noUser, .known), ("P,server,server,k3s:server\n", .known, .noUser),
      ("x,node,node,k3s:agent\nx,server,server,k3s:server\n", .otherPassword, .otherPassword),
      ("P,node,node,k3s:server\nP,server,server,k3s:agent\n", .noGroup, .noGroup),
      ("P,node,node\nP,server\n", .noGroup, .noGroup),
      ("P,node,node,rke2:agent\nP,server,server,rke2:server\n", .noGroup, .noGroup),
      // Administrators' rows of before 1.0 count for nothing now.
      ("P,node,node,system:masters\nP,server,server,system:masters\n", .noGroup, .noGroup),
      // The last row of a name counts.
      ("P,node,node,k3s:agent\nx,node,node,k3s:agent\nx,server,s,g\nP,server,s,k3s:server\n", .known, .otherPassword),
      ("", .noUser, .noUser),
    ] as [(String, TokenFacts.Standing, TokenFacts.Standing)])
  func whoMayJoinIsReadAsK3sReadsIt(
    _ text: String, _ server: TokenFacts.Standing, _ agent: TokenFacts.Standing
  ) throws {
    let seen = try Self.drifted { root, tree in
      try root.write(text.replacing("P", with: tree.serverPassword), "\(tree.directory)/cred/passwd")
    }
    #expect(seen.server.value?.standing == .present(server))
    #expect(seen.agent.value?.standing == .present(agent), "by the link to the same token")
  }

  @Test(arguments: ["P,node,node,k3s:agent\nP\n", "\"P,node\n", "P\"x,node\n"])
  func whatK3sCannotReadIsUnknown(_ text: String) throws {
    let seen = try Self.drifted { root, tree in
      try root.write(text.replacing("P", with: tree.serverPassword), "\(tree.directory)/cred/passwd")
    }
    #expect(seen.users.obstacle?.kind == .malformed && seen.server.value?.standing.obstacle?.kind == .malformed)
  }

  @Test func withoutTheListNobodyIsKnown() throws {
    let seen = try Self.drifted { root, tree in try root.remove("\(tree.directory)/cred/passwd") }
    #expect(seen.users.isAbsent && seen.server.value?.standing == .absent)
  }

  @Test func agentsMayHaveATokenOfTheirOwn() throws {
    let seen = try Self.drifted(Self.current, { $0.agentPassword = "a9e27f5b8c3d4e1f" }) { root, tree in
      try root.write(tree.token("node", tree.serverPassword), "\(tree.directory)/agent-token")
    }
    #expect(seen.agent.value?.standing == .present(.otherPassword) && seen.server.value?.standing == .present(.known))
  }

  @Test(
    arguments: [
      ("", .malformed("the token is empty"), nil), (" \n", .malformed("the token is empty"), nil),
      ("K10HASH::server:", .malformed("the token has no password after its user"), nil),
      ("K10abc::server:P", .malformed("what stands after K10 in the token is no SHA-256 in lower-case digits"), false),
      ("P", .short, nil), ("K10::server:P", .short, nil), ("K10HASH::abcdef.0123456789abcdef", .bootstrap, true),
    ] as [(String, TokenFacts.Form, Bool?)])
  func eachFormIsTold(_ text: String, _ form: TokenFacts.Form, _ pin: Bool?) throws {
    let seen = try Self.drifted { root, tree in
      let text = text.replacing("HASH", with: tree.authorityHash).replacing("P", with: tree.serverPassword)
      try root.write(text, "\(tree.directory)/token")
    }
    let token = try #require(seen.server.value)
    #expect(token.form == form && token.isPinRight == (pin.map { .present($0) } ?? .absent))
    if case .short = form {} else { #expect(token.standing == .present(.notAsked)) }
  }

  // MARK: What is not followed, and not endless

  @Test func aLinkOutOfTheDataDirectoryIsNotFollowed() throws {
    let seen = try Self.drifted { root, tree in
      for name in ["token", "cred/passwd", "tls/server-ca.crt"] {
        let text = try #require(root.read("\(tree.directory)/\(name)"))
        try root.write(text, "/elsewhere/\(name)")
        try root.remove("\(tree.directory)/\(name)")
        try FileManager.default.createSymbolicLink(
          atPath: "\(root.path)\(tree.directory)/\(name)", withDestinationPath: "/elsewhere/\(name)")
      }
    }
    for obstacle in [seen.server.obstacle, seen.users.obstacle, seen.authority.obstacle] {
      #expect(obstacle?.kind == .malformed && obstacle?.detail.contains("leads out of the data directory") == true)
    }
  }

  @Test func aDirectoryThatIsALinkIsNoWayOutEither() throws {
    let seen = try Self.drifted { root, tree in
      try root.make("/elsewhere")
      try FileManager.default.moveItem(
        atPath: "\(root.path)\(tree.directory)/cred", toPath: "\(root.path)/elsewhere/cred")
      try FileManager.default.createSymbolicLink(
        atPath: "\(root.path)\(tree.directory)/cred", withDestinationPath: "\(root.path)/elsewhere/cred")
    }
    #expect(seen.users.obstacle?.kind == .malformed && seen.files.obstacle?.kind == .malformed)
  }

  @Test func linksWithinTheDataDirectoryAreReadAndKnown() throws {
    let seen = try Self.drifted { root, tree in
      let server = "\(root.path)\(tree.directory)"
      try root.remove("\(tree.directory)/agent-token")
      try FileManager.default.createSymbolicLink(atPath: "\(server)/agent-token", withDestinationPath: "token")
      try FileManager.default.moveItem(atPath: "\(server)/tls/server-ca.crt", toPath: "\(server)/tls/ca-1.crt")
      try FileManager.default.createSymbolicLink(
        atPath: "\(server)/tls/server-ca.crt", withDestinationPath: "ca-1.crt")
      try root.remove("\(tree.directory)/node-token")
      try FileManager.default.createSymbolicLink(atPath: "\(server)/node-token", withDestinationPath: "/nowhere")
    }
    #expect(seen.agent.value?.isLink == true && seen.server.value?.isPinRight == .present(true))
    #expect(seen.node.isAbsent, "it leads nowhere")
  }

  @Test func aPipeADirectoryAndTooMuchAreNoToken() throws {
    let seen = try Self.drifted { root, tree in
      let server = "\(root.path)\(tree.directory)"
      for name in ["token", "node-token", "agent-token"] { try root.remove("\(tree.directory)/\(name)") }
      #expect(mkfifo("\(server)/token", 0o600) == 0)
      try root.make("\(tree.directory)/node-token")
      try root.write(String(repeating: "x", count: 20_000), "\(tree.directory)/agent-token")
    }
    #expect(seen.server.obstacle?.kind == .malformed && seen.node.obstacle?.kind == .malformed)
    #expect(seen.agent.obstacle?.kind == .tooLarge)
  }

  @Test func aHugeDirectoryIsCut() throws {
    let seen = try Self.drifted { root, tree in
      for index in 0..<1500 { try root.write("", "\(tree.directory)/cred/x\(index)", mode: 0o666) }
    }
    let files = try #require(seen.files.value)
    #expect(files.isCut && files.looked == CredentialListing.limit + 5, "with server/, cred/, the token and two keys")
    #expect(files.exposed.count <= files.looked)
  }

  /// `tls` on another disk is an administrator's; the rest is looked at all the same.
  @Test func keysBehindALinkAreNotLookedAt() throws {
    let seen = try Self.drifted { root, tree in
      let server = "\(root.path)\(tree.directory)"
      try root.make("/elsewhere")
      try FileManager.default.moveItem(atPath: "\(server)/tls", toPath: "\(root.path)/elsewhere/tls")
      try FileManager.default.createSymbolicLink(
        atPath: "\(server)/tls", withDestinationPath: "\(root.path)/elsewhere/tls")
      try root.write("x", "/elsewhere/tls/other.key", mode: 0o644)
      try root.write("x", "\(tree.directory)/cred/more", mode: 0o644)
    }
    #expect(seen.files.value?.exposed.map(\.path) == ["cred/more"])
  }

  @Test func withoutAServerThereIsNothing() throws {
    let root = try PrivateRoot()
    let port = LinuxServerCredentials(paths: root.paths)
    #expect(try wait { port.read(Self.machine(.k3s, root), $0) }.get().isAbsent)
  }
}
