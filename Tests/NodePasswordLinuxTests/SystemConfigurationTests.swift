import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct SystemUnitTextTests {
  /// As K3s's installer writes it (k3s-facts 5.2): one argument on each line, in single quotes, with tabs.
  private static let installed = """
    [Unit]
    Description=Lightweight Kubernetes
    ExecStart=/not/this/one

    [Service]
    Type=notify
    EnvironmentFile=-/etc/default/%N
    EnvironmentFile=-/etc/sysconfig/%N
    EnvironmentFile=-/etc/systemd/system/k3s-agent.service.env
    KillMode=process
    ExecStartPre=/bin/sh -xc '! /usr/bin/systemctl is-enabled --quiet nm-cloud-setup.service'
    ExecStart=/usr/local/bin/k3s \\
        agent \\
    \t'--node-name' \\
    # a comment in between
    \t'My Node' \\

    """

  @Test func readsWhatTheInstallerWrites() {
    var unit = UnitText()
    unit.apply(Self.installed)
    #expect(unit.commands.count == 1)
    #expect(
      unit.commands.flatMap(UnitCommand.words) == ["/usr/local/bin/k3s", "agent", "--node-name", "My Node"])
    #expect(unit.environmentFiles.count == 3)
  }

  @Test func anEmptyValueDropsWhatWasThere() {
    var unit = UnitText()
    unit.apply(Self.installed)
    unit.apply("[Service]\nExecStart=\nExecStart=/bin/k3s server\nEnvironmentFile=\nEnvironment=A=1\n")
    #expect(unit.commands == ["/bin/k3s server"])
    #expect(unit.environmentFiles.isEmpty)
    #expect(unit.environment == ["A=1"])
  }

  @Test(arguments: [
    ("a  b\tc", ["a", "b", "c"]), ("'a b' \"c d\"", ["a b", "c d"]), ("--x='a b'", ["--x=a b"]), ("''", [""]),
    (#"a\ b \x41 \\ \q"#, ["a b", "A", "\\", "\\q"]), (#""a'b""#, ["a'b"]), ("", []), ("a 'open b", ["a", "open b"]),
  ]) func splitsWords(line: String, words: [String]) { #expect(UnitCommand.words(of: line) == words) }

  @Test func expandsVariablesAsSystemdDoes() {
    let words = ["$ARGS", "--a=${NAME}", "$$NAME", "plain$NAME", "$MISSING", "${MISSING}"]
    #expect(UnitCommand.variables(in: words) == ["ARGS", "NAME", "MISSING"])
    #expect(
      UnitCommand.expanding(words, with: ["ARGS": "server  --x y", "NAME": "n m"]) == [
        "server", "--x", "y", "--a=n m", "$NAME", "plain$NAME", "",
      ])
  }

  @Test func resolvesSpecifiers() {
    #expect(
      UnitCommand.resolvingSpecifiers("/x/%N.env %n %H 100%% %Z %", unit: "k3s-a.service", hostname: "h")
        == "/x/k3s-a.env k3s-a.service h 100% %Z %")
  }

  @Test func keepsOnlyTheVariablesAskedFor() {
    let text = """
      # K3S_NODE_NAME=comment
      ; K3S_NODE_NAME=comment
      K3S_TOKEN='secret'
      K3S_NODE_NAME="a \\"b\\"
      c" 'd'
        PLAIN = with blanks  \t
      JOINED=one\\
      two
      NOT AN ASSIGNMENT
      K3S_URL=https://x
      LAST=1
      """
    #expect(
      EnvironmentText.variables(inFile: text, wanted: ["K3S_NODE_NAME", "PLAIN", "JOINED", "LAST"]) == [
        "K3S_NODE_NAME": "a \"b\"\nc d", "PLAIN": "with blanks", "JOINED": "onetwo", "LAST": "1",
      ])
    // A mark that combines with the quote before it does not hide the quote.
    let marked = EnvironmentText.variables(inFile: "A=\"x\\\"\u{301}y\"\nB=1\r\nC=2", wanted: ["A", "B", "C"])
    #expect(marked == ["A": "x\"\u{301}y", "B": "1", "C": "2"])
    #expect(
      EnvironmentText.variables(inLines: ["A=1 'B=2 3' C=4", "A=5"], wanted: ["A", "B"]) == ["A": "5", "B": "2 3"])
  }
}

@Suite struct SystemConfigurationTests {
  private static func files(_ texts: String...) throws -> K3sOptions {
    K3sOptions(configurations: try texts.compactMap { try YAMLReader.read(Array($0.utf8), file: "config.yaml") })
  }

  private static func configuration(
    arguments: [String] = [], files: K3sOptions = K3sOptions(), environment: [String: String] = [:]
  ) -> K3sConfiguration {
    K3sConfiguration(
      arguments: .present(K3sOptions(arguments: arguments)), files: .present(files),
      environment: .present(K3sOptions(environment: environment, distribution: .k3s)))
  }

  @Test(
    arguments: [
      (["agent", "--node-name=a"], "a"), (["agent", "--node-name", "a"], "a"), (["agent", "-node-name", "a"], "a"),
      (["--node-name=a", "--node-name", "b"], "b"), (["--token", "t", "--node-name=a"], "a"), (["--node-name"], nil),
      (["--", "--node-name=a"], nil), (["--node-name-x=a"], nil), (["node-name=a"], nil),
      (["--with-node-id", "--node-name", "a"], "a"), (["--node-name="], ""),
    ] as [([String], String?)]) func readsTheCommandLine(arguments: [String], name: String?)
  {
    #expect(K3sOptions(arguments: arguments).values[.nodeName] == name)
  }

  @Test func knowsTheShortNames() {
    let options = K3sOptions(arguments: ["server", "-c", "/a.yaml", "-d=/b", "--rootless", "--disable-agent=false"])
    #expect(
      options.values == [
        .configuration: "/a.yaml", .dataDirectory: "/b", .rootless: "true", .disableAgent: "false",
      ])
  }

  @Test func mergesConfigurationFiles() throws {
    #expect(try Self.files("node-name: a", "node-name: b").values[.nodeName] == "b")
    #expect(try Self.files("node-name: a", "node-name+: b").values[.nodeName] == "b")
    #expect(try Self.files("node-name+: [a, b]", "token: x").values == [.nodeName: "b"])
    #expect(try Self.files("node-name: [a, b]", "node-name+: []").values[.nodeName] == "b")
    #expect(try Self.files("node-name: a", "node-name: []").values[.nodeName] == nil)
    #expect(try Self.files("node-name: ~").values[.nodeName] == "")
    #expect(try Self.files("node-label: [a=b]\nkubelet-arg:\n  - x\nrootless: yes\n").values == [.rootless: "yes"])
    #expect(try Self.files("# nothing").values.isEmpty)
  }

  @Test func commandLineBeforeFilesBeforeEnvironment() throws {
    let files = try Self.files("node-name: file")
    let environment = ["K3S_NODE_NAME": "environment", "RKE2_NODE_NAME": "other"]
    let all = Self.configuration(arguments: ["--node-name=line"], files: files, environment: environment)
    #expect(all.value(.nodeName) == .present("line"))
    #expect(Self.configuration(files: files, environment: environment).value(.nodeName) == .present("file"))
    #expect(Self.configuration(environment: environment).value(.nodeName) == .present("environment"))
    #expect(Self.configuration().value(.nodeName) == .absent)
  }

  @Test func anUnreadableSourceHidesTheLaterOnesOnly() {
    let obstacle = Obstacle(.permissionDenied, at: "config.yaml", "Permission denied")
    var configuration = Self.configuration(arguments: ["--node-name=a"], environment: ["K3S_DATA_DIR": "/x"])
    configuration.files = .unknown(obstacle)
    #expect(configuration.value(.nodeName) == .present("a"))
    #expect(configuration.value(.dataDirectory) == .unknown(obstacle))
    #expect(configuration.flag(.rootless) == .unknown(obstacle))
    // Whether the id is appended is not known, so the name is not.
    let name = configuration.nodeName(hostname: .present("h")) { .absent }
    #expect(name == .unknown(obstacle))
  }

  @Test(arguments: [
    ("true", true), ("True", true), ("1", true), ("yes", true), ("false", false), ("0", false), ("", false),
  ]) func readsFlags(text: String, flag: Bool) {
    #expect(Self.configuration(arguments: ["--rootless=\(text)"]).flag(.rootless) == .present(flag))
  }

  @Test func derivesTheNodeName() throws {
    let bare = Self.configuration()
    #expect(bare.nodeName(hostname: .present("Host.Example")) { .absent } == .present(try name("host.example")))
    #expect(bare.nodeName(hostname: .absent) { .absent } == .absent)
    let named = Self.configuration(arguments: ["--node-name", "N1"])
    #expect(named.nodeName(hostname: .absent) { .absent } == .present(try name("n1")))
    let blank = Self.configuration(arguments: ["--node-name="])
    #expect(blank.nodeName(hostname: .present("h")) { .absent } == .present(try name("h")))
    let withID = Self.configuration(arguments: ["--with-node-id"])
    #expect(withID.nodeName(hostname: .present("h")) { .present("0a1b2c3d") } == .present(try name("h-0a1b2c3d")))
    #expect(withID.nodeName(hostname: .present("h")) { .absent } == .absent)
    let odd = Self.configuration(arguments: ["--node-name=a b"])
    #expect(odd.nodeName(hostname: .absent) { .absent }.obstacle?.kind == .malformed)
  }

  private func name(_ text: String) throws -> NodeName { try #require(NodeName(text)) }

  @Test(arguments: [
    "node-label: &l [a=b]\nx: *l\nnode-name: n\n", "node-name: !!str n\n", "node-name: m\nnode-name: n\n",
    "node-name: n\n---\nnode-name: second\n",
  ])
  func anotherProgramsYAMLIsReadLeniently(_ text: String) throws {
    let document = try #require(try YAMLReader.read(Array(text.utf8), file: "config.yaml", strictness: .foreign))
    #expect(document["node-name"]?.scalar == "n")
    #expect(throws: PolicyDiagnostic.self) { try YAMLReader.read(Array(text.utf8), file: "policy.yaml") }
  }
}
