import Crypto
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import SwiftASN1
import Testing
import X509

private let agentUnit = "[Service]\nExecStart=/usr/local/bin/k3s \\\n    agent \\\n"
private let serverUnit = "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n"
private let units = "/etc/systemd/system"

private func look(_ root: ScratchRoot, home: String? = nil) -> Observed<Installation> {
  LinuxMachine(paths: root.paths, home: home, hostname: { .present("Host") }).lookForInstallation()
}

private func found(_ root: ScratchRoot, home: String? = nil) throws -> Installation {
  let look = look(root, home: home)
  return try #require(look.value, "\(look)")
}

/// A certificate as K3s issues it (k3s-facts 1.3), made by a key of its own.
private func certificate(commonName: String) throws -> String {
  let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
  let certificate = try Certificate(
    version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: .now,
    notValidAfter: .now + 3600, issuer: try DistinguishedName { CommonName("k3s-client-ca") },
    subject: try DistinguishedName {
      OrganizationName("system:nodes")
      CommonName(commonName)
    }, signatureAlgorithm: .ecdsaWithSHA256, extensions: .init(), issuerPrivateKey: key)
  return try certificate.serializeAsPEM().pemString + "\n"
}

@Suite struct SystemMachineTests {
  @Test func nothingIsInstalled() throws {
    let root = try ScratchRoot()
    #expect(look(root) == .absent)
    // What K3s's uninstallation leaves behind is nothing (k3s-facts 7).
    try root.write("/etc/rancher/node/password", "a\n")
    #expect(look(root) == .absent)
    // A configuration that was laid out beforehand is nothing alone, but an agent is at work with both.
    try root.remove("/etc/rancher/node")
    try root.write("/etc/rancher/k3s/config.yaml", "token: x\n")
    #expect(look(root) == .absent)
    try root.write("/etc/rancher/node/password", "a\n")
    #expect(try found(root).hasAgentRole)
  }

  @Test func aK3sAgent() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", agentUnit)
    let installation = try found(root)
    #expect(installation.distribution == .k3s)
    #expect(installation.hasAgentRole && !installation.hasServerRole)
    #expect(installation.nodeName == .present(try name("host")))
    #expect(installation.certificateName == .absent)
    #expect(installation.dataDirectory == "/var/lib/rancher/k3s")
    #expect(installation.passwordPath == "/etc/rancher/node/password")
  }

  @Test func aK3sServer() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s.service", serverUnit)
    #expect(try found(root).hasAgentRole)
    #expect(try !found(root).hasServerRole)
    try root.make("/var/lib/rancher/k3s/server/cred")
    #expect(try found(root).hasServerRole)
    try root.write("\(units)/k3s.service.d/10.conf", "[Service]\nExecStart=\nExecStart=k3s server --disable-agent\n")
    #expect(try !found(root).hasAgentRole)
  }

  @Test func rke2ShipsBothUnits() throws {
    let root = try ScratchRoot()
    let directory = "/usr/local/lib/systemd/system"
    let environment = "EnvironmentFile=-\(directory)/%N.env\n"
    try root.write(
      "\(directory)/rke2-server.service", "[Service]\n\(environment)ExecStart=/usr/local/bin/rke2 server\n")
    try root.write("\(directory)/rke2-agent.service", "[Service]\n\(environment)ExecStart=/usr/local/bin/rke2 agent\n")
    try root.write("\(directory)/rke2-server.env", "RKE2_NODE_NAME=from-server\n")
    try root.write("\(directory)/rke2-agent.env", "RKE2_NODE_NAME=from-agent\nRKE2_TOKEN=t\n")
    #expect(try found(root).distribution == .rke2)
    #expect(try found(root).nodeName == .present(try name("from-agent")))
    #expect(try found(root).dataDirectory == "/var/lib/rancher/rke2")
    try root.make("/var/lib/rancher/rke2/server/cred")
    #expect(try found(root).nodeName == .present(try name("from-server")))
    try root.make("\(units)/multi-user.target.wants")
    try root.link("\(units)/multi-user.target.wants/rke2-agent.service", to: "\(directory)/rke2-agent.service")
    #expect(try found(root).nodeName == .present(try name("from-agent")))
  }

  @Test func aUnitOfAnotherName() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-edge.service", "[Service]\nExecStart=/opt/bin/k3s agent --node-name edge-1\n")
    try root.write("\(units)/k3s-backup.service", "[Service]\nExecStart=/usr/bin/backup-k3s --all\n")
    #expect(try found(root).nodeName == .present(try name("edge-1")))
    try root.remove("\(units)/k3s-edge.service")
    #expect(look(root) == .absent)
  }

  @Test func maskedUnitsAreNotThere() throws {
    let root = try ScratchRoot()
    try root.make(units)
    try root.link("\(units)/k3s-agent.service", to: "/dev/null")
    try root.write("/usr/lib/systemd/system/k3s-agent.service", agentUnit)
    #expect(look(root) == .absent)
  }

  @Test func dropInsInNameOrderTheStrongerDirectoryFirst() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", agentUnit)
    let line = { (name: String) in "[Service]\nEnvironment=K3S_NODE_NAME=\(name)\n" }
    try root.write("/usr/lib/systemd/system/k3s-agent.service.d/20.conf", line("weak"))
    try root.write("\(units)/k3s-agent.service.d/10.conf", line("early"))
    #expect(try found(root).nodeName == .present(try name("weak")))
    try root.write("\(units)/k3s-agent.service.d/20.conf", line("strong"))
    try root.write("\(units)/k3s-agent.service.d/30.conf.disabled", line("disabled"))
    #expect(try found(root).nodeName == .present(try name("strong")))
  }

  @Test func argumentsOverFilesOverEnvironment() throws {
    let root = try ScratchRoot()
    try root.write(
      "\(units)/k3s-agent.service",
      "[Service]\nEnvironmentFile=-/etc/default/%N\nEnvironmentFile=-/etc/sysconfig/%N\n"
        + "EnvironmentFile=-\(units)/k3s-agent.service.env\nExecStart=/usr/local/bin/k3s agent $MORE\n")
    try root.write("/etc/default/k3s-agent", "K3S_NODE_NAME=default\n")
    #expect(try found(root).nodeName == .present(try name("default")))
    try root.write("\(units)/k3s-agent.service.env", "K3S_TOKEN='t'\nK3S_NODE_NAME='beside'\n")
    #expect(try found(root).nodeName == .present(try name("beside")))
    try root.write("/etc/rancher/k3s/config.yaml", "node-name: main\n")
    #expect(try found(root).nodeName == .present(try name("main")))
    try root.write("/etc/rancher/k3s/config.yaml.d/20.YML", "node-name+: last\n")
    try root.write("/etc/rancher/k3s/config.yaml.d/10.yaml", "node-name: middle\nwith-node-id: true\n")
    try root.write("/etc/rancher/k3s/config.yaml.d/30.json", "node-name: none\n")
    try root.write("/etc/rancher/node/id", "0a1b2c3d\n")
    #expect(try found(root).nodeName == .present(try name("last-0a1b2c3d")))
    try root.write("/etc/sysconfig/k3s-agent", "MORE=--node-name=line --with-node-id=false\n")
    #expect(try found(root).nodeName == .present(try name("line")))
  }

  @Test func anotherConfigurationFile() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", "[Service]\nExecStart=/usr/local/bin/k3s agent -c /etc/k.yaml\n")
    try root.write("/etc/rancher/k3s/config.yaml", "node-name: wrong\n")
    try root.write("/etc/k.yaml", "node-name: right\ndata-dir: /srv/k3s/\n")
    #expect(try found(root).nodeName == .present(try name("right")))
    #expect(try found(root).dataDirectory == "/srv/k3s")
    try root.write(
      "\(units)/k3s-agent.service.d/a.conf", "[Service]\nEnvironment=K3S_CONFIG_FILE=https://u:p@x/c.yaml\n")
    let obstacle = try #require(look(root).obstacle)
    #expect(obstacle.kind == .notConfigured)
    #expect(!"\(obstacle)".contains("u:p"))
  }

  @Test func aRemoteConfigurationHidesTheNameOnly() throws {
    let root = try ScratchRoot()
    let options = "--config https://x/c.yaml --data-dir /d --rootless=false"
    try root.write("\(units)/k3s-agent.service", "[Service]\nExecStart=/usr/local/bin/k3s agent \(options)\n")
    #expect(try found(root).nodeName.obstacle?.kind == .notConfigured)
    #expect(try found(root).dataDirectory == "/d")
  }

  @Test func aConfigurationThatMakesNoSenseIsUnknownAndShowsNothing() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", agentUnit)
    try root.write("/etc/rancher/k3s/config.yaml", "token: hunter2\nnode-name: [hunter2\n")
    let obstacle = try #require(look(root).obstacle)
    #expect(obstacle.kind == .malformed)
    #expect(!"\(obstacle)".contains("hunter2"))
  }

  @Test func rootless() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server --rootless\n")
    #expect(look(root).obstacle?.kind == .notConfigured)
    #expect(
      try found(root, home: "/home/k").passwordPath == "/home/k/.rancher/k3s/agent/etc/rancher/node/password")
    try root.write("\(units)/k3s.service.d/a.conf", "[Service]\nEnvironment=HOME=/home/u\n")
    #expect(try found(root, home: "/home/k").dataDirectory == "/home/u/.rancher/k3s")
  }

  @Test func openRCHidesTheArguments() throws {
    let root = try ScratchRoot()
    try root.write("/etc/init.d/k3s-agent", "command_args=x\n")
    #expect(look(root).obstacle?.kind == .notConfigured)
  }

  @Test func theProductWithAUnitIsTheOneAtWork() throws {
    let root = try ScratchRoot()
    try root.make("/var/lib/rancher/k3s/agent")
    try root.write("/etc/rancher/k3s/config.yaml", "broken: [\n")
    try root.write("/usr/lib/systemd/system/rke2-agent.service", "[Service]\nExecStart=/usr/bin/rke2 agent\n")
    #expect(try found(root).distribution == .rke2)
  }

  @Test func aDirectoryInPlaceOfAFileIsUnknown() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", agentUnit)
    try root.make("/etc/rancher/k3s/config.yaml")
    #expect(look(root).obstacle?.kind == .malformed)
  }

  @Test func aPipeInPlaceOfAFileHoldsNobodyUp() throws {
    let root = try ScratchRoot()
    try root.write("\(units)/k3s-agent.service", agentUnit)
    try root.make("/var/lib/rancher/k3s/agent")
    #expect(mkfifo(root.path + "/var/lib/rancher/k3s/agent/client-kubelet.crt", 0o600) == 0)
    #expect(try found(root).certificateName.obstacle?.kind == .malformed)
  }

  private func name(_ text: String) throws -> NodeName { try #require(NodeName(text)) }
}

@Suite struct SystemCertificateTests {
  private static let agent = "/var/lib/rancher/k3s/agent"

  @Test func theNameInTheCertificate() throws {
    let root = try ScratchRoot()
    let client = "\(Self.agent)/client-kubelet.crt"
    try root.write(client, try certificate(commonName: "system:node:a.b") + certificate(commonName: "k3s-client-ca"))
    #expect(try found(root).certificateName == .present(try #require(NodeName("a.b"))))
    #expect(try found(root).effectiveName == .present(try #require(NodeName("a.b"))))
    // Read again after a change.
    try root.write(client, try certificate(commonName: "system:node:c"))
    #expect(try found(root).certificateName == .present(try #require(NodeName("c"))))
    try root.write(client, try certificate(commonName: "system:admin"))
    #expect(try found(root).certificateName.obstacle?.kind == .malformed)
    try root.write(client, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    #expect(try found(root).certificateName.obstacle?.kind == .malformed)
    try root.write(client, "")
    #expect(try found(root).certificateName.obstacle?.kind == .malformed)
    try root.write(client, String(repeating: "x", count: 65_537))
    #expect(try found(root).certificateName.obstacle?.kind == .tooLarge)
  }

  @Test func oneMachineSeesTheNewCertificate() throws {
    let root = try ScratchRoot()
    let client = "\(Self.agent)/client-kubelet.crt"
    let machine = LinuxMachine(paths: root.paths, hostname: { .present("h") })
    try root.replace(client, try certificate(commonName: "system:node:a"))
    for _ in 0..<2 { #expect(machine.lookForInstallation().value?.certificateName.value?.rawValue == "a") }
    try root.replace(client, try certificate(commonName: "system:node:b"))
    #expect(machine.lookForInstallation().value?.certificateName.value?.rawValue == "b")
  }

  @Test func thePair() throws {
    let root = try ScratchRoot()
    try root.write("\(Self.agent)/client-kubelet.crt", "a")
    let machine = LinuxMachine(paths: root.paths, hostname: { .present("h") })
    let installation = try #require(machine.lookForInstallation().value)
    #expect(try pair(machine, installation) == .absent)
    try root.write("\(Self.agent)/serving-kubelet.crt", "bb")
    let old = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 5)]
    #expect(utimensat(AT_FDCWD, root.path + "\(Self.agent)/serving-kubelet.crt", old, 0) == 0)
    let first = try #require(try pair(machine, installation).value)
    #expect(first.oldestModification == 1_000_000_000_005)
    try root.replace("\(Self.agent)/serving-kubelet.crt", "bb")
    #expect(chmod(root.path + "\(Self.agent)/client-kubelet.crt", 0o640) == 0)
    let same = try #require(try pair(machine, installation).value)
    #expect(same.serving == first.serving && same.client == first.client, "another file, the same certificate")
    try root.replace("\(Self.agent)/serving-kubelet.crt", "bc")
    let second = try #require(try pair(machine, installation).value)
    #expect(second.serving != first.serving && second.client == first.client)
    try root.remove("\(Self.agent)/client-kubelet.crt")
    try root.make("\(Self.agent)/client-kubelet.crt")
    #expect(try pair(machine, installation).obstacle?.kind == .malformed)
  }

  private func pair(_ machine: LinuxMachine, _ installation: Installation) throws -> Observed<CertificatePair> {
    let inbox = Inbox<Result<Observed<CertificatePair>, Obstacle>>()
    machine.certificates(of: installation) { inbox.put($0) }
    return try #require(inbox.next()).get()
  }
}

@Suite struct SystemIdentityTests {
  private static let uuid = "4C4C4544-0042-3510-8052-B4C04F4E3232"
  private static let machineID = "0123456789abcdef0123456789abcdef"

  private func root() throws -> ScratchRoot {
    let root = try ScratchRoot()
    try root.make("/var/lib/rancher/k3s/agent")
    return root
  }

  @Test func theBoardBeforeTheMachineID() throws {
    let root = try root()
    #expect(try found(root).identity.hardware == .absent)
    try root.write("/etc/machine-id", Self.machineID + "\n")
    #expect(try found(root).identity.hardware == .present("machine-id:\(Self.machineID)"))
    #expect(try found(root).identity.machineID == Self.machineID)
    try root.write("/sys/firmware/devicetree/base/serial-number", "10000000abcdef\u{0}")
    #expect(try found(root).identity.hardware == .present("dt:10000000abcdef"))
    try root.write("/sys/class/dmi/id/product_uuid", Self.uuid + "\n")
    #expect(try found(root).identity.hardware == .present("dmi:\(Self.uuid.lowercased())"))
    try root.write("/sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n")
    #expect(try found(root).identity.hardware == .present("dt:10000000abcdef"))
  }

  @Test func aBoardThatCannotBeReadIsNotAbsent() throws {
    let root = try root()
    try root.write("/etc/machine-id", Self.machineID + "\n")
    try root.make("/sys/class/dmi/id/product_uuid")
    #expect(try found(root).identity.hardware.obstacle != nil)
  }

  @Test(arguments: [
    "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "Not Settable", "",
    "00020003-0004-0005-0006-000700080009",
  ]) func dummiesAreNobody(text: String) { #expect(HardwareIdentity.named(dmi: text) == nil) }

  @Test func theBootAndTheAddresses() throws {
    let root = try root()
    let real = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    #expect(try found(root).identity.bootID == real.trimmingCharacters(in: .whitespacesAndNewlines))
    try root.write("/proc/sys/kernel/random/boot_id", "made-up\n")
    let identity = try found(root).identity
    #expect(identity.bootID == "made-up")
    #expect(!identity.addresses.isEmpty)
    #expect(identity.addresses == Array(Set(identity.addresses)).sorted())
    #expect(identity.addresses.count == 1 || !identity.addresses.contains("127.0.0.1"))
  }
}
