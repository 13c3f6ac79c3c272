import Foundation
import NodePasswordCore
import NodePasswordLinux
import Testing

@Suite struct RestoreUnitsTests {
  private static let directory = "/etc/systemd/system"
  private static let unitFile = "/usr/lib/systemd/system/nodepassd-restore.service"

  private let root: PrivateRoot

  init() throws {
    root = try PrivateRoot()
    try root.write("[Service]\nType=oneshot\n", Self.unitFile)
    try root.make("\(Self.directory)/k3s-agent.service.wants")
    symlink(Self.unitFile, root.path + "\(Self.directory)/k3s-agent.service.wants/nodepassd-restore.service")
    try root.make("/run/systemd/generator")
  }

  private var units: RestoreUnits { RestoreUnits(paths: root.paths) }

  /// As K3s's installer writes it (k3s-facts 5.2), arguments in its quotes.
  private func installed(_ command: String, _ arguments: [String] = []) -> String {
    let quoted = arguments.map { "\t'\($0)' \\\n" }.joined()
    return """
      [Unit]
      Description=Lightweight Kubernetes
      Documentation=https://k3s.io
      Wants=network-online.target
      After=network-online.target

      [Install]
      WantedBy=multi-user.target

      [Service]
      Type=notify
      EnvironmentFile=-/etc/default/%N
      EnvironmentFile=-/etc/sysconfig/%N
      EnvironmentFile=-\(Self.directory)/k3s-edge.service.env
      KillMode=process
      Delegate=yes
      User=root
      Restart=always
      RestartSec=5s
      ExecStartPre=-/sbin/modprobe br_netfilter
      ExecStartPre=-/sbin/modprobe overlay
      ExecStart=/usr/local/bin/k3s \\
          \(command) \\
      \(quoted)
      """
  }

  private func write(_ name: String, _ text: String) throws { try root.write(text, "\(Self.directory)/\(name)") }

  // MARK: Which units

  @Test func unitsOfAnotherNameAreFound() throws {
    try write("k3s-edge.service", installed("agent", ["--node-label", "a b=it'\\''s", "--server"]))
    try write("k3s-control.service", installed("server", ["--disable=traefik"]))
    // Neither starts a server or an agent.
    try write("k3s-backup.service", installed("etcd-snapshot", ["save"]))
    try write("k3s-mirror.service", "[Service]\nExecStart=/usr/bin/rsync server agent\n")
    try write("k3s-agent.service", installed("agent"))
    try write("k3s.service", installed("server"))
    try write("k3s-edge.service.env", "K3S_TOKEN=secret\n")
    try write("k3s-node@.service", installed("agent"))
    try write("k3s-node@1.service", installed("agent"))
    #expect(units.find() == RestoreUnits.Findings(names: ["k3s-control.service", "k3s-edge.service"]))
  }

  @Test func dropInsAndMasksCount() throws {
    try write("k3s-edge.service", "[Service]\nExecStart=/bin/true\n")
    try write("k3s-edge.service.d/10.conf", "[Service]\nExecStart=\nExecStart=/opt/bin/k3s agent\n")
    try root.make("/dev")
    symlink("/dev/null", root.path + "\(Self.directory)/k3s-masked.service")
    try write("k3s-empty.service", "")
    #expect(units.find().names == ["k3s-edge.service"])
  }

  @Test(arguments: [
    "k3s-a b.service", "k3s-a\nBefore=sysinit.target\n.service", "k3s-%H.service", "k3s-\"a.service", "k3s-'a.service",
    "k3s-ä.service", "k3s-$(reboot).service", "k3s-a;b.service", "k3s-a#b.service", "k3s-a=b.service",
  ])
  func hostileNamesAreNoUnits(_ name: String) throws {
    try write(name, installed("agent"))
    try write("k3s-edge.service", installed("agent"))
    #expect(units.find() == RestoreUnits.Findings(names: ["k3s-edge.service"]))
    #expect(units.generate(into: root.path + "/run/systemd/generator", isFirstBoot: false).isEmpty)
    #expect(root.names("/run/systemd/generator") == ["k3s-edge.service.wants", "nodepassd-restore.service.d"])
  }

  @Test func everyNameSystemdTakesIsTaken() throws {
    for name in ["k3s-a.service", "k3s-A-1_2.3.service", "k3s-a:b.service", "k3s-a\\x20b.service"] {
      #expect(RestoreUnits.isUnitName(name), "\(name)")
    }
    #expect(!RestoreUnits.isUnitName("k3s-" + String(repeating: "a", count: 250) + ".service"))
  }

  @Test func anOddFileCostsOnlyItself() throws {
    try write("k3s-edge.service", installed("agent"))
    try root.make("\(Self.directory)/k3s-directory.service")
    mkfifo(root.path + "\(Self.directory)/k3s-pipe.service", 0o600)
    symlink("nowhere", root.path + "\(Self.directory)/k3s-dangling.service")
    symlink("k3s-loop.service", root.path + "\(Self.directory)/k3s-loop.service")
    let findings = units.find()
    #expect(findings.names == ["k3s-edge.service"])
    #expect(findings.obstacles.map { $0.place.split(separator: "/").last } == ["k3s-loop.service"])
  }

  // MARK: What is written

  private func generate(isFirstBoot: Bool = false) -> [Obstacle] {
    units.generate(into: root.path + "/run/systemd/generator", isFirstBoot: isFirstBoot)
  }

  private func link(_ name: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(
      atPath: root.path + "/run/systemd/generator/\(name).wants/nodepassd-restore.service")
  }

  @Test func linksAndADropInAreWritten() throws {
    try write("k3s-edge.service", installed("agent"))
    try write("k3s-a\\x20b.service", installed("agent"))
    #expect(generate().isEmpty)
    #expect(generate().isEmpty, "again is no error")
    #expect(link("k3s-edge.service") == Self.unitFile && link("k3s-a\\x20b.service") == Self.unitFile)
    let dropIn = root.read("/run/systemd/generator/nodepassd-restore.service.d/50-names.conf") ?? ""
    #expect(
      dropIn.split(separator: "\n").dropFirst() == [
        "[Unit]", "Before=k3s-a\\x20b.service", "Before=k3s-edge.service",
      ])
  }

  @Test func nothingIsWrittenWhereThereIsNothingToDo() throws {
    #expect(generate().isEmpty && root.names("/run/systemd/generator").isEmpty)
    try write("k3s-edge.service", installed("agent"))
    try root.remove("\(Self.directory)/k3s-agent.service.wants")
    #expect(generate().isEmpty && root.names("/run/systemd/generator").isEmpty, "it is not enabled")
    #expect(generate(isFirstBoot: true).isEmpty && !root.names("/run/systemd/generator").isEmpty)
  }

  @Test(arguments: ["masked", "gone"])
  func nothingIsWrittenWithoutTheUnit(_ state: String) throws {
    try write("k3s-edge.service", installed("agent"))
    if state == "gone" { try root.remove(Self.unitFile) } else { try write("nodepassd-restore.service", "") }
    if state == "masked" {
      try root.remove("\(Self.directory)/nodepassd-restore.service")
      symlink("/dev/null", root.path + "\(Self.directory)/nodepassd-restore.service")
    }
    #expect(generate(isFirstBoot: true).isEmpty && root.names("/run/systemd/generator").isEmpty)
  }

  @Test func whatCannotBeWrittenIsSaid() throws {
    try write("k3s-edge.service", installed("agent"))
    try root.remove("/run/systemd/generator")
    #expect(generate().count == 1)
  }

  // MARK: Before it

  /// The lock may be the first thing of ours that is made after a boot, under any umask.
  @Test func theLocksDirectoryIsOpenToAll() async {
    await #expect(processExitsWith: .success) {
      umask(0o077)
      let root = try PrivateRoot()
      try root.make("/run")
      try RunLock.take(root.paths.lockFile).get().release()
      var status = stat()
      try #require(stat(root.paths.runtimeDirectory, &status) == 0 && status.st_mode & 0o777 == 0o755)
      try #require(stat(root.paths.lockFile, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
  }
}
