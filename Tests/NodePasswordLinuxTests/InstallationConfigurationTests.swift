import NodePasswordCore
import Testing

private let k3sData = "/var/lib/rancher/k3s"

/// Where the configuration is, where the log goes, and what cannot be told.
@Suite struct InstallationConfigurationTests {
  // MARK: The configuration's place and the log

  private static let logs: [(text: String, logsToJournal: Bool)] = [
    ("StandardOutput=append:/var/log/k3s.log", false), ("StandardOutput=file:/var/log/k3s.log", false),
    ("StandardOutput=truncate:/x", false), ("StandardOutput=null", false), ("StandardError=null", false),
    ("StandardOutput=null\nStandardError=journal", true), ("StandardOutput=journal\nStandardError=file:/x", false),
    ("StandardOutput=kmsg", false), ("StandardOutput=journal+console", true), ("StandardOutput=syslog", true),
    ("StandardOutput=null\nStandardOutput=", true), ("StandardOutput=tty\nStandardError=inherit", false),
    ("LogNamespace=kube", false),
  ]

  @Test(arguments: logs) func redirections(_ row: (text: String, logsToJournal: Bool)) throws {
    let root = try ScratchRoot()
    try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
    #expect(lookForInstallation(root).value?.logsToJournal == .present(true))
    try root.write("\(systemdUnits)/k3s-agent.service.d/log.conf", "[Service]\n\(row.text)\n")
    #expect(lookForInstallation(root).value?.logsToJournal == .present(row.logsToJournal))
  }

  private static let flags: [(text: String, logsToJournal: Bool)] = [
    ("--log /var/log/k3s.log", false), ("-l=/var/log/k3s.log", false), ("--log=", true),
    ("--log /x --alsologtostderr", true), ("--log /x --alsologtostderr=false", false), ("--alsologtostderr", true),
  ]

  @Test(arguments: flags) func logFlags(_ row: (text: String, logsToJournal: Bool)) throws {
    let root = try ScratchRoot()
    try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent \(row.text)")
    #expect(lookForInstallation(root).value?.logsToJournal == .present(row.logsToJournal))
  }

  static let configurations = [
    Oddity(
      "elsewhere", ExpectedInstallation(.k3s, unit: "k3s-agent.service", nodeName: "e", dropIns: "/etc/k.yaml.d")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --config /etc/k.yaml")
      try root.write("/etc/rancher/k3s/config.yaml", "node-name: wrong\n")
      try root.write("/etc/k.yaml.d/1.yaml", "node-name: e\n")
      try root.make("/etc/k.yaml.d/2.yaml")
    },
    Oddity(
      "by the environment before the command line",
      ExpectedInstallation(.rke2, unit: "rke2-agent.service", nodeName: "e", dropIns: "/etc/e.yaml.d")
    ) { root in
      try root.unit(
        "rke2-agent.service", "/usr/bin/rke2 agent -c /etc/a.yaml", more: "Environment=RKE2_CONFIG_FILE=/etc/e.yaml\n")
      try root.write("/etc/a.yaml", "node-name: a\n")
      try root.write("/etc/e.yaml", "node-name: e\n")
    },
    Oddity(
      "behind a URL, which hides the log too",
      ExpectedInstallation(.k3s, unit: "k3s-agent.service", nodeName: nil, dropIns: nil, logsToJournal: nil)
    ) { root in
      try root.unit(
        "k3s-agent.service", "/usr/local/bin/k3s agent -c https://x/c.yaml --data-dir=\(k3sData) --rootless=false")
    },
    Oddity(
      "behind a URL, with the log on the command line",
      ExpectedInstallation(.k3s, unit: "k3s-agent.service", nodeName: nil, dropIns: nil, logsToJournal: true)
    ) { root in
      try root.unit(
        "k3s-agent.service",
        "/usr/local/bin/k3s agent -c http://x --data-dir=\(k3sData) --rootless=false --log= --with-node-id=false")
    },
    Oddity(
      "OpenRC",
      ExpectedInstallation(.k3s, unit: nil, nodeName: "o", dataDirectory: "/d", logsToJournal: false)
    ) { root in
      try root.initScript("k3s-agent", "agent \\\n\t'--node-name' \\\n\t'o' \\\n\t'--data-dir=/d'")
    },
    Oddity(
      "OpenRC with its environment",
      ExpectedInstallation(.k3s, unit: nil, hasServerRole: true, nodeName: "e", logsToJournal: false)
    ) { root in
      try root.initScript("k3s", "server")
      try root.write("/etc/rancher/k3s/k3s.env", "K3S_TOKEN='t'\nK3S_NODE_NAME='e'\n")
      try root.write("/etc/rancher/k3s/k3s-agent.env", "K3S_NODE_NAME='not this one'\n")
      try root.make("\(k3sData)/server/cred")
    },
    Oddity(
      "OpenRC, a server without an agent",
      ExpectedInstallation(.k3s, unit: nil, hasAgentRole: false, logsToJournal: false)
    ) { root in
      try root.initScript("k3s-central", "server '--disable-agent'")
    },
  ]

  @Test(arguments: configurations) func findsTheConfiguration(_ row: Oddity) throws { try row.check() }

  // MARK: Unknown is not absent

  private static let unreadable: [(String, @Sendable (ScratchRoot) throws -> Void)] = [
    (
      "a script that is no installer's",
      { try $0.write("/etc/init.d/k3s", "command=/usr/bin/k3s\ncommand_args=\"$X\"\n") }
    ),
    ("arguments put together", { try $0.initScript("k3s", "server", more: "command_args+=\" --rootless\"") }),
    ("a word glued on", { try $0.initScript("k3s", "server\"$MORE\"") }),
    ("another program's arguments", { try $0.unit("k3s.service", "/bin/sh -c 'exec k3s server'") }),
    (
      "a unit's role in a file that is none",
      { root in
        try root.unit("k3s-edge.service", "/usr/local/bin/k3s $ROLE", more: "EnvironmentFile=/etc/role\n")
        try root.make("/etc/role")
      }
    ),
    (
      "a drop-in behind a loop of links",
      { root in
        try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
        try root.make("\(systemdUnits)/k3s-agent.service.d")
        try root.link("\(systemdUnits)/k3s-agent.service.d/a.conf", to: "a.conf")
      }
    ),
    ("a user that nobody knows", { try $0.unit("k3s.service", "k3s server --rootless", more: "User=kim\n") }),
    (
      "a home that nobody knows",
      { root in
        try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
        try root.write("/etc/rancher/k3s/config.yaml", "data-dir: ${HOME}/k3s\n")
      }
    ),
  ]

  @Test(arguments: unreadable.indices) func isUnknown(_ index: Int) throws {
    let (what, layOut) = Self.unreadable[index]
    let root = try ScratchRoot()
    try root.make("\(k3sData)/agent")
    #expect(lookForInstallation(root).value != nil, "there is something to be unknown")
    try layOut(root)
    #expect(lookForInstallation(root).obstacle != nil, "\(what): \(lookForInstallation(root))")
  }

  // MARK: The node's id

  private static let ids: [(text: String, name: String?, id: String?)] = [
    ("0a1b2c3d\n", "host-0a1b2c3d", "0a1b2c3d"), ("  0a1b2c3d\r\n\n", "host-0a1b2c3d", "0a1b2c3d"),
    ("rack7", "host-rack7", "rack7"), ("RACK7", "host-rack7", "RACK7"), ("", nil, nil), ("\n", nil, nil),
    ("a b", nil, nil), ("ä", nil, nil), ("a\nb", nil, nil), (String(repeating: "a", count: 300), nil, nil),
    (String(repeating: "a", count: 5000), nil, nil),
  ]

  @Test(arguments: ids) func nodeIDs(_ row: (text: String, name: String?, id: String?)) throws {
    let root = try ScratchRoot()
    try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --with-node-id")
    let before = try #require(lookForInstallation(root).value)
    #expect(before.nodeName.isAbsent && before.nodeID == NodeIDFacts(isWanted: .present(true), id: .absent))
    try root.write("/etc/rancher/node/id", row.text)
    let installation = try #require(lookForInstallation(root).value)
    #expect(installation.nodeName.value?.rawValue == row.name && !installation.nodeName.isAbsent)
    #expect(installation.nodeID.id.value == row.id && !installation.nodeID.id.isAbsent)
  }

  @Test func theIDOfARootlessAgentIsBelowItsData() throws {
    let root = try ScratchRoot()
    try root.unit("k3s.service", "/usr/local/bin/k3s server --rootless --data-dir /d --with-node-id")
    try root.write("/etc/rancher/node/id", "00000000\n")
    try root.write("/d/agent/etc/rancher/node/id", "11111111\n")
    #expect(lookForInstallation(root).value?.nodeID.id == .present("11111111"))
    #expect(lookForInstallation(root).value?.nodeName.value?.rawValue == "host-11111111")
  }
}
