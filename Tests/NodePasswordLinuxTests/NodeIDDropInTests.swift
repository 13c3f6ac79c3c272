import Foundation
import NodePasswordCore
import NodePasswordLinux
import Testing

@Suite struct NodeIDDropInTests {
  private static let directory = "/etc/rancher/k3s/config.yaml.d"
  private static let file = "\(directory)/90-nodepassd-node-id.yaml"
  private static let unit = "/etc/systemd/system/k3s-agent.service"

  private let root: PrivateRoot

  init() throws {
    root = try PrivateRoot()
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s agent\n", Self.unit)
  }

  private func use(_ directory: String = directory) throws -> Result<Void, Obstacle> {
    let writer = NodeIDDropIn(paths: root.paths, entropy: CountingEntropy())
    return try wait { writer.useNodeID(in: directory, $0) }
  }

  private var machine: LinuxMachine { LinuxMachine(paths: root.paths, home: nil, hostname: { .present("host") }) }

  private func mode(_ path: String) -> mode_t? {
    var status = stat()
    return stat(root.path + path, &status) == 0 ? status.st_mode & 0o7777 : nil
  }

  @Test func makesTheOptionCount() throws {
    #expect(machine.lookForInstallation().value?.nodeID.isWanted == .present(false))
    let dropIns = try #require(machine.lookForInstallation().value?.configurationDropIns.value)
    #expect(try use(dropIns).obstacleKind == nil)
    #expect(machine.lookForInstallation().value?.nodeID.isWanted == .present(true))
    #expect(mode(Self.file) == 0o600 && mode(Self.directory) == 0o755 && mode("/etc/rancher/k3s") == 0o755)
    #expect(root.names(Self.directory) == [NodeIDDropIn.name], "no temporary file is left")
    let text = try #require(root.read(Self.file))
    #expect(text.hasPrefix("# Written by nodepassd") && text.contains("# To undo: remove this file"))
    #expect(text.split(separator: "\n").filter { !$0.hasPrefix("#") } == ["with-node-id: true"])
  }

  @Test func overTheMainFileAndBesideOthers() throws {
    try root.write("with-node-id: false\nnode-name: n\n", "/etc/rancher/k3s/config.yaml")
    try root.write("with-node-id: false\n", "\(Self.directory)/50-site.yaml")
    try root.write("# mine\n", "\(Self.directory)/91-site.yaml")
    #expect(try use().obstacleKind == nil)
    #expect(machine.lookForInstallation().value?.nodeID.isWanted == .present(true))
    #expect(root.read("/etc/rancher/k3s/config.yaml") == "with-node-id: false\nnode-name: n\n")
    #expect(root.read("\(Self.directory)/50-site.yaml") == "with-node-id: false\n")
    #expect(root.read("\(Self.directory)/91-site.yaml") == "# mine\n")
  }

  @Test func aSecondTimeNothingIsWritten() throws {
    #expect(try use().obstacleKind == nil)
    var before = stat()
    #expect(stat(root.path + Self.file, &before) == 0)
    #expect(try use().obstacleKind == nil)
    var after = stat()
    #expect(stat(root.path + Self.file, &after) == 0)
    #expect(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
  }

  @Test func oursOfBeforeIsWrittenAnew() throws {
    let header = try #require(NodeIDDropIn.text.split(separator: "\n").first)
    for text in ["\(header)\n", "\(header)\nwith-node-id: tr", String(header)] {
      try root.write(text, Self.file, mode: 0o644)
      #expect(try use().obstacleKind == nil)
      #expect(root.read(Self.file) == NodeIDDropIn.text && mode(Self.file) == 0o600)
    }
  }

  @Test(arguments: [
    "", "with-node-id: true\n", "\n\(NodeIDDropIn.text)", "# Written by nodepassd; not by hand. Or is it?\n",
    String(repeating: "#", count: 9000),
  ]) func anotherFileOfThatNameStays(_ text: String) throws {
    try root.write(text, Self.file)
    #expect(try use().obstacleKind == .conflict)
    #expect(root.read(Self.file) == text)
    #expect(root.names(Self.directory) == [NodeIDDropIn.name])
  }

  @Test func whatIsNoFileStays() throws {
    try root.make(Self.directory)
    try root.write(NodeIDDropIn.text, "/elsewhere")
    let path = root.path + Self.file
    for make in [
      { symlink(root.path + "/elsewhere", path) }, { symlink("nowhere", path) }, { mkdir(path, 0o755) },
      { mkfifo(path, 0o600) },
    ] {
      #expect(make() == 0)
      #expect(try use().obstacleKind == .conflict)
      #expect(root.names(Self.directory) == [NodeIDDropIn.name])
      try root.remove(Self.file)
    }
    #expect(root.read("/elsewhere") == NodeIDDropIn.text && root.names("").contains("elsewhere"))
  }

  @Test func aDirectoryThatIsNone() throws {
    #expect(try use("relative/config.yaml.d").obstacleKind == .notConfigured)
    try root.write("", "/etc/rancher/k3s/config.yaml.d")
    #expect(try use().obstacleKind == .inputOutput)
    #expect(root.read("/etc/rancher/k3s/config.yaml.d")?.isEmpty == true)
  }

  // MARK: What would keep it from counting

  private static let overrides: [(arguments: String, files: [String: String], isOverridden: Bool)] = [
    ("", [:], false),
    ("", ["50-a.yaml": "with-node-id: false", "90-a.yaml": "with-node-id: false"], false),
    ("", ["91-a.yaml": "node-name: n", "99.txt": "with-node-id: false"], false),
    ("", ["91-a.yaml": "with-node-id: false"], true),
    ("", ["91-a.YML": "with-node-id: [true, no]"], true),
    ("", ["91-a.yaml": "with-node-id: []"], true),
    ("", ["91-a.yaml": "with-node-id+: []"], false),
    ("", ["91-a.yaml": "with-node-id+: false"], true),
    ("", ["91-a.yaml": "with-node-id: false", "92-b.yaml": "with-node-id: true"], false),
    ("", ["91-a.yaml": "with-node-id: true", "92-b.yaml": "with-node-id: 0"], true),
    ("--with-node-id=false", [:], true), ("--with-node-id", ["91-a.yaml": "with-node-id: false"], false),
    ("--with-node-id --with-node-id=0", [:], true),
  ]

  /// The answer, and that it is true: with the drop-in in place the option counts, or not.
  @Test(arguments: overrides.indices) func foresees(_ index: Int) throws {
    let row = Self.overrides[index]
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s agent \(row.arguments)\n", Self.unit)
    for (name, text) in row.files { try root.write("\(text)\n", "\(Self.directory)/\(name)") }
    #expect(machine.lookForInstallation().value?.nodeID.isOverridden == .present(row.isOverridden))
    #expect(try use().obstacleKind == nil)
    #expect(machine.lookForInstallation().value?.nodeID.isWanted == .present(!row.isOverridden))
    #expect(machine.lookForInstallation().value?.nodeID.isOverridden == .present(row.isOverridden))
  }

  /// With the data directory on the command line the installation is known, and the drop-ins are all that is not.
  @Test func whatCannotBeForeseenIsUnknown() throws {
    let known = "/usr/local/bin/k3s agent --data-dir /var/lib/rancher/k3s --rootless=false"
    func isOverridden() -> Observed<Bool>? { machine.lookForInstallation().value?.nodeID.isOverridden }
    try root.write("[Service]\nExecStart=\(known)\n", Self.unit)
    try root.write("with-node-id: [\n", "\(Self.directory)/91-a.yaml")
    #expect(isOverridden()?.obstacle?.kind == .malformed)
    try root.write("[Service]\nExecStart=\(known) -c https://x\n", Self.unit)
    #expect(isOverridden()?.obstacle?.kind == .notConfigured)
  }
}
