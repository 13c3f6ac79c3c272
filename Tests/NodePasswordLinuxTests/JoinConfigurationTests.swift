import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// Where the agent's server and token are found, and what wins (k3s-facts 3.1, 5.1).
@Suite struct JoinConfigurationTests {
  private static let url = "https://s:6443"

  /// The token as text, to compare with.
  private static func text(_ credential: NodeToken.Credential?) -> String? {
    switch credential {
    case .password(let secret), .bootstrap(let secret): secret.withBytes { String(decoding: $0, as: UTF8.self) }
    case nil: nil
    }
  }

  private static func token(_ machine: ProbedMachine) throws -> String? {
    try machine.writeAuthority("-----BEGIN CERTIFICATE-----\n")
    try machine.writeAuthority("-----BEGIN CERTIFICATE-----\n", .rke2)
    let configuration = try machine.configuration()
    for secret in ["line", "file", "variable"] {
      var told = "\(configuration)"
      dump(configuration, to: &told)
      #expect(!told.contains("token-of-\(secret)"))
    }
    return text(try configuration.get().token)
  }

  // MARK: Sources

  @Test(
    arguments: [
      ("--token token-of-line", "token: token-of-file", "TOKEN=token-of-variable", "token-of-line"),
      ("--token=token-of-line", "", "", "token-of-line"), ("-t token-of-line", "", "", "token-of-line"),
      ("--token=a --token token-of-line", "", "", "token-of-line"),
      ("", "token: token-of-file", "TOKEN=token-of-variable", "token-of-file"),
      ("", "token: a\ntoken: token-of-file", "", "token-of-file"),
      ("", "t: token-of-file", "", "token-of-file"),
      ("", "", "TOKEN=token-of-variable", "token-of-variable"),
      ("${PRODUCT_TOKEN}", "", "TOKEN=token-of-variable", "token-of-variable"),
      ("--token ${PRODUCT_TOKEN}", "token: a", "TOKEN=token-of-variable", "token-of-variable"),
      // The file wins, wherever it is named.
      ("--token token-of-line", "token: token-of-file", "TOKEN_FILE=/etc/t", "in-t"),
      ("--token token-of-line --token-file /etc/t", "token-file: /etc/u", "TOKEN_FILE=/etc/v", "in-t"),
      ("", "token-file: /etc/u\ntoken: a", "TOKEN_FILE=/etc/v", "in-u"), ("--token-file etc/v", "", "", "in-v"),
      // An empty one is none.
      ("--token-file=", "token: token-of-file", "", "token-of-file"),
      // Those of servers are none of an agent's.
      ("--agent-token token-of-line", "token: a", "AGENT_TOKEN=b", "a"),
      // Its value is not the next option's name.
      ("--token --node-name=x", "", "", "--node-name=x"),
    ] as [(String, String, String, String)])
  func theTokenAsK3sWouldTakeIt(_ line: String, _ file: String, _ variable: String, _ expected: String) throws {
    for distribution in Distribution.allCases {
      let prefix = distribution.rawValue.uppercased()
      let machine = try ProbedMachine(
        distribution, configuration: "server: \(Self.url)\n\(file)\n", environment: "\(prefix)_\(variable)\n",
        arguments: line.replacing("PRODUCT", with: prefix))
      for name in ["t", "u", "v"] { try machine.root.write(" in-\(name)\n\n", "/etc/\(name)") }
      #expect(try Self.token(machine) == expected, "\(distribution)")
    }
  }

  @Test(
    arguments: [
      ("--server https://line:1", "server: https://file:2", "URL=https://variable:3", "line:1"),
      ("-s https://line:1", "", "", "line:1"), ("", "server: https://file:2", "URL=https://variable:3", "file:2"),
      ("", "", "URL=https://variable:3", "variable:3"), ("", "", "URL=https://variable", "variable:443"),
      ("", "server: https://file:2/", "", "file:2"), ("", "server: 'https://[fd00::1]:9345'", "", "[fd00::1]:9345"),
    ] as [(String, String, String, String)])
  func theServerAsK3sWouldTakeIt(_ line: String, _ file: String, _ variable: String, _ expected: String) throws {
    for distribution in Distribution.allCases {
      let machine = try ProbedMachine(
        distribution, configuration: "token: x\n\(file)\n",
        environment: "\(distribution.rawValue.uppercased())_\(variable)\n",
        arguments: line)
      try machine.writeAuthority("x", distribution)
      #expect(try machine.configuration().get().server == expected, "\(distribution)")
    }
  }

  @Test(
    arguments: [
      ("server: http://u:secret@s:1", .malformed), ("server: https://u:secret@s:1", .malformed),
      ("server: https://secret@s:1", .malformed), ("server: https://s:secret", .malformed),
      ("server: https://", .malformed),
      ("server: https://s:0", .malformed), ("server: ''", .notConfigured), ("# none", .notConfigured),
      ("server: https://s:1\ntoken-file: /etc/secretless", .notConfigured),
    ] as [(String, Obstacle.Kind)])
  func whatCannotBeUsedIsSaidAndNotRepeated(_ file: String, _ kind: Obstacle.Kind) throws {
    let machine = try ProbedMachine(configuration: "token: x\n\(file)\n")
    let obstacle = try #require(try machine.configuration().failure)
    #expect(obstacle.kind == kind)
    #expect(!obstacle.description.contains("secret@") && !obstacle.description.contains(":secret"))
  }

  @Test func withoutAnyCredentialNobodyIsAsked() throws {
    let machine = try ProbedMachine(configuration: "server: \(Self.url)\n")
    try machine.writeAuthority("x")
    #expect(try machine.configuration().obstacleKind == .notConfigured)
    #expect(try machine.probe().obstacleKind == .notConfigured)
  }

  /// Unknown is not absent (law L3): a token may stand where we could not look.
  @Test func aSourceThatCannotBeReadHidesTheLaterOnesOnly() throws {
    for (line, kind) in [
      ("", Obstacle.Kind.malformed), ("--server=\(Self.url)", .malformed),
      // Whether the file names another file with a token is not known either.
      ("--server=\(Self.url) --token=token-of-line", .malformed),
      ("--server=\(Self.url) --token-file=/etc/t", nil), ("--token-file=/etc/t", .malformed),
    ] {
      let machine = try ProbedMachine(
        configuration: "", environment: "K3S_TOKEN=token-of-variable\nK3S_URL=\(Self.url)\n", arguments: line)
      try machine.root.write("in-t", "/etc/t")
      try machine.writeAuthority("x")
      let installation = try machine.installation()
      try machine.root.write("a: [\n", "/etc/rancher/k3s/config.yaml")
      let configuration = try wait { machine.client().configuration(of: installation, $0) }
      #expect(configuration.obstacleKind == kind, "\(line)")
    }
  }

  // MARK: Servers

  @Test(arguments: [(Distribution.k3s, "127.0.0.1:6443"), (.rke2, "127.0.0.1:9345")])
  func aServersAgentAsksItsOwnServer(_ distribution: Distribution, _ address: String) throws {
    let machine = try ProbedMachine(
      distribution, configuration: "server: https://elsewhere:1\ntoken: of-the-configuration\n")
    let server = "\(distribution.defaultDataDirectory)/server"
    try machine.root.make("\(server)/cred")
    try machine.root.write("x", "\(server)/tls/server-ca.crt")
    #expect(try machine.configuration().get().server == address)
    #expect(Self.text(try machine.configuration().get().token) == "of-the-configuration")
    let hash = String(repeating: "a", count: 64)
    try machine.root.write("K10\(hash)::server:of-servers\n", "\(server)/token")
    #expect(Self.text(try machine.configuration().get().token) == "of-servers")
    try machine.root.write(
      "node-name: alpha\nagent-token: of-agents", "/etc/rancher/\(distribution.rawValue)/config.yaml")
    #expect(Self.text(try machine.configuration().get().token) == "of-agents")
    try machine.root.write("K10\(hash)::node:written-down\n", "\(server)/agent-token")
    #expect(Self.text(try machine.configuration().get().token) == "written-down")
  }

  @Test func theLastJoinsAuthorityComesFirst() throws {
    let hash = String(repeating: "a", count: 64)
    let machine = try ProbedMachine(configuration: "server: \(Self.url)\ntoken: K10\(hash)::node:x\n")
    guard case .hash(hash) = try machine.configuration().get().trust else { throw TooLate() }
    try machine.writeAuthority("pem")
    guard case .authority(Array("pem".utf8)) = try machine.configuration().get().trust else { throw TooLate() }
    try machine.writeAuthority("")
    #expect(try machine.configuration().obstacleKind == .malformed, "K3s writes in place")
  }

  // MARK: What is not kept

  /// Every look but a probe's goes without tokens (law L5).
  @Test func anOrdinaryLookKeepsNoToken() throws {
    let arguments = ["agent", "--token", "hidden", "--token-file=/x", "-s", "https://s", "--node-name", "a"]
    let options = K3sOptions(arguments: arguments)
    #expect(options.secrets.isEmpty && options.values == [.nodeName: "a"])
    let environment = K3sOptions(environment: ["K3S_TOKEN": "hidden", "K3S_URL": "u"], distribution: .k3s)
    #expect(environment == K3sOptions())
    let all = K3sOption.kept.union(K3sOption.joining)
    let wanted = K3sOptions(arguments: arguments, wanted: all)
    #expect(wanted.values == [.nodeName: "a", .tokenFile: "/x", .server: "https://s"])
    #expect(wanted.secrets[.token]?.bytes.count == 6)
    #expect(wanted == K3sOptions(arguments: arguments, wanted: all))
    #expect(wanted != K3sOptions(arguments: arguments + ["--token=hiddem"], wanted: all))
    var told = "\(wanted)"
    dump(wanted, to: &told)
    #expect(!told.contains("hidden"))
  }
}
