import NodePasswordCore
import Testing

/// A product as one of its installers leaves it on the disk (k3s-facts 0.1, 3.2, 5.2).
struct Layout: Sendable, CustomTestStringConvertible {
  enum Package: String, CaseIterable, Sendable {
    case k3s
    case rke2Tar = "rke2-tar"
    case rke2RPM = "rke2-rpm"
  }

  enum Version: Int, CaseIterable, Sendable, Comparable {
    case v1_18 = 18
    case v1_21 = 21
    case v1_22 = 22
    case v1_30 = 30
    case v1_31 = 31
    case v1_34 = 34

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  var package: Package
  var isServer: Bool
  var version: Version

  var testDescription: String { "\(package.rawValue) \(isServer ? "server" : "agent") 1.\(version.rawValue)" }

  static let all = Package.allCases.flatMap { package in
    Version.allCases.flatMap { version in
      [true, false].map { Layout(package: package, isServer: $0, version: version) }
    }
  }

  var distribution: Distribution { package == .k3s ? .k3s : .rke2 }
  var unit: String { isServer ? distribution.serverUnit : distribution.agentUnit }
  var stem: String { String(unit.dropLast(".service".count)) }
  var command: String { isServer ? "server" : "agent" }

  var unitDirectory: String {
    switch package {
    case .k3s: "/etc/systemd/system"
    case .rke2Tar: "/usr/local/lib/systemd/system"
    case .rke2RPM: "/usr/lib/systemd/system"
    }
  }

  /// Beside the unit.
  var environmentFile: String { "\(unitDirectory)/\(package == .k3s ? unit : stem).env" }

  private var program: String { package == .rke2RPM ? "/usr/bin/rke2" : "/usr/local/bin/\(distribution)" }

  /// - Parameter data: where a configuration puts it.
  func install(in root: ScratchRoot, arguments: [String] = [], data: String? = nil) throws {
    let others = package == .k3s ? [isServer] : [true, false]
    for server in others {
      let each = Layout(package: package, isServer: server, version: version)
      let isThis = server == isServer
      try root.write("\(unitDirectory)/\(each.unit)", each.unitText(isThis ? arguments : []))
    }
    // RKE2's units are enabled by a person; K3s's installer enables its own.
    try root.make("/etc/systemd/system/multi-user.target.wants")
    try root.link("/etc/systemd/system/multi-user.target.wants/\(unit)", to: "\(unitDirectory)/\(unit)")
    try root.write(environmentFile, "\(distribution.environmentVariable("TOKEN"))='K10aa::server:secret'\n")
    try root.write("/etc/rancher/node/password", "0123456789abcdef0123456789abcdef\n")
    try writeData(in: root, data ?? distribution.defaultDataDirectory)
  }

  private func writeData(in root: ScratchRoot, _ data: String) throws {
    try root.make("\(data)/agent/etc")
    guard isServer else { return }
    try root.write("\(data)/server/token", "K10aa::server:secret\n")
    try root.write("\(data)/server/cred/passwd", "secret,node,node,k3s:agent\n")
    if version < .v1_21 { try root.write("\(data)/server/cred/node-passwd", "0123,host,host,\n") }
    if version >= .v1_30 { try root.write("\(data)/server/cred/supervisor.kubeconfig", "") }
    try root.write(distribution.adminKubeconfig, "apiVersion: v1\n")
  }

  private func unitText(_ arguments: [String]) -> String {
    var lines = ["[Unit]", "Description=Kubernetes", "", "[Install]", "WantedBy=multi-user.target", "", "[Service]"]
    lines.append("Type=\(isServer || version >= .v1_30 ? "notify" : "exec")")
    if version > .v1_18 {
      lines += ["EnvironmentFile=-/etc/default/%N", "EnvironmentFile=-/etc/sysconfig/%N"]
    }
    let file = package == .k3s ? environmentFile : "\(unitDirectory)/%N.env"
    lines.append("EnvironmentFile=\(version > .v1_18 ? "-" : "")\(file)")
    lines += ["KillMode=process", "Delegate=yes"]
    if version >= .v1_34 { lines += ["User=root", "# Having non-zero Limit*s costs \\"] }
    lines += ["TimeoutStartSec=0", "Restart=always", "ExecStartPre=-/sbin/modprobe overlay"]
    if package == .k3s {
      lines.append("ExecStart=\(program) \\\n    \(command) \\")
      lines += arguments.map { "\t'\($0)' \\" } + ["", ""]
    } else {
      lines.append("ExecStart=\(([program, command] + arguments).joined(separator: " "))")
      lines.append("ExecStopPost=-/bin/sh -c \"systemd-cgls /system.slice/%n | xargs -r kill\"")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// Where a configuration is written.
enum ConfigurationSource: String, CaseIterable, Sendable {
  case file, dropIn, environment, arguments

  /// No configuration before v1.19.1 (RKE2 always had one), no drop-ins before v1.21.0 (k3s-facts 5.1).
  func exists(in layout: Layout) -> Bool {
    switch self {
    case .file: layout.package != .k3s || layout.version > .v1_18
    case .dropIn: layout.version > .v1_18
    case .environment, .arguments: true
    }
  }
}

@Suite struct InstallationMatrixTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var layout: Layout
    var source: ConfigurationSource

    var testDescription: String { "\(layout.testDescription) by \(source.rawValue)" }
  }

  static let rows = Layout.all.flatMap { layout in
    ConfigurationSource.allCases.filter { $0.exists(in: layout) }.map { Row(layout: layout, source: $0) }
  }

  @Test func theMatrixIsWhole() {
    // 3 packages × 2 roles × 6 versions × 4 sources, without those that a version does not know.
    #expect(Self.rows.count == 3 * 2 * 6 * 4 - 2 * (1 + 3))
    #expect(Set(Self.rows.map(\.testDescription)).count == Self.rows.count)
  }

  /// As installed, with nothing configured: what each row below differs from.
  @Test(arguments: Layout.all) func asInstalled(_ layout: Layout) throws {
    let root = try ScratchRoot()
    try layout.install(in: root)
    let installation = try #require(lookForInstallation(root).value, "\(lookForInstallation(root))")
    #expect(
      ExpectedInstallation(found: installation)
        == ExpectedInstallation(layout.distribution, unit: layout.unit, hasServerRole: layout.isServer))
    #expect(installation.nodeID == NodeIDFacts(isWanted: .present(false), id: .absent))
    #expect(!"\(installation)".contains("secret"))
  }

  @Test(arguments: rows) func configured(_ row: Row) throws {
    let root = try ScratchRoot()
    let layout = row.layout
    let settings = [
      ("node-name", "By-\(row.source.rawValue)"), ("data-dir", "/srv/data"), ("with-node-id", "true"),
      ("log", "/var/log/agent.log"), ("token", "secret"),
    ]
    let arguments = row.source == .arguments ? settings.map { "--\($0.0)=\($0.1)" } : []
    // The environment knows neither the log nor, in most versions, the data (k3s-facts 1.3, k3s#10589).
    let isWhole = row.source != .environment
    try layout.install(in: root, arguments: arguments, data: isWhole ? "/srv/data" : nil)
    let configuration = "/etc/rancher/\(layout.distribution)/config.yaml"
    let yaml = settings.map { "\($0.0): \($0.1)\n" }.joined()
    switch row.source {
    case .file: try root.write(configuration, yaml)
    case .dropIn:
      try root.write(configuration, "node-name: overruled\nwith-node-id: false\n")
      try root.write("\(configuration).d/50-site.yaml", yaml)
    case .environment:
      let names = ["NODE_NAME", "TOKEN"].map(layout.distribution.environmentVariable)
      try root.write(layout.environmentFile, "\(names[1])='secret'\n\(names[0])='By-environment'\n")
    case .arguments: try root.write(configuration, "node-name: overruled\nwith-node-id: false\nlog: ''\n")
    }
    try root.write("/etc/rancher/node/id", "0a1b2c3d\n")
    let installation = try #require(lookForInstallation(root).value, "\(lookForInstallation(root))")
    let name = "by-\(row.source.rawValue.lowercased())"
    #expect(
      ExpectedInstallation(found: installation)
        == ExpectedInstallation(
          layout.distribution, unit: layout.unit, hasServerRole: layout.isServer,
          nodeName: isWhole ? "\(name)-0a1b2c3d" : name, dataDirectory: isWhole ? "/srv/data" : nil,
          logsToJournal: !isWhole))
    #expect(installation.nodeID == NodeIDFacts(isWanted: .present(isWhole), id: .present("0a1b2c3d")))
    #expect(!"\(installation)".contains("secret"))
  }

  @Test(arguments: Layout.all) func uninstalled(_ layout: Layout) throws {
    let root = try ScratchRoot()
    try layout.install(in: root)
    try root.remove("/etc/systemd/system")
    if layout.package != .k3s { try root.remove(layout.unitDirectory) }
    try root.remove("/etc/rancher/\(layout.distribution)", ifThere: true)
    let data = "/var/lib/rancher/\(layout.distribution)"
    // Half way: the data is still there, so an agent may come back.
    let half = try #require(lookForInstallation(root).value)
    #expect(
      ExpectedInstallation(found: half)
        == ExpectedInstallation(
          layout.distribution, unit: nil, hasServerRole: layout.isServer, logsToJournal: nil))
    try root.remove(data)
    #expect(lookForInstallation(root) == .absent, "/etc/rancher/node alone is a left-over (k3s-facts 7)")
  }
}
