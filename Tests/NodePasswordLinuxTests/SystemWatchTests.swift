import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization
import Testing

/// A watch over a made-up root, and what it said.
private final class WatchBench: Sendable {
  let root: ScratchRoot
  let watch: InotifyWatch
  let hints = Inbox<WakeCause>()
  private let policy: Inbox<Void>

  init(_ root: ScratchRoot) throws {
    self.root = root
    let policy = Inbox<Void>()
    self.policy = policy
    try root.make("/etc/nodepassd")
    watch = InotifyWatch(paths: root.paths)
    watch.onPolicyChange { policy.put(()) }
  }

  func start(_ installation: Installation? = nil) {
    let registered = DispatchSemaphore(value: 0)
    watch.start { registered.signal() }
    #expect(registered.wait(timeout: .now() + 30) == .success)
    follow(installation)
    #expect(hints.next() == .fileChanged)
    _ = seen()
  }

  func follow(_ installation: Installation?) {
    watch.watch(installation) { [hints] subject, cause in
      #expect(subject == .machine)
      hints.put(cause)
    }
  }

  /// What was said about everything done so far: events come in order, and one of ours ends them.
  func seen() -> [WakeCause] {
    _ = policy.drain()
    #expect(throws: Never.self) { try root.replace("/etc/nodepassd/policy.yaml", "\(UUID())") }
    #expect(policy.next() != nil)
    return hints.drain()
  }

  /// Whether the policy was said to have changed, and nothing else.
  func policySeen(after change: () throws -> Void) throws -> Bool {
    _ = seen()
    try change()
    return policy.next() != nil && hints.drain().isEmpty
  }
}

private func installation(
  passwordPath: String = "/etc/rancher/node/password", dataDirectory: String = "/var/lib/rancher/k3s",
  unit: String? = nil, dropIns: Observed<String> = .absent
) -> Installation {
  Installation(
    distribution: .k3s, hasServerRole: false, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
    dataDirectory: dataDirectory, passwordPath: passwordPath,
    identity: MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: []), unit: unit,
    configurationDropIns: dropIns)
}

@Suite struct SystemWatchTests {
  private static let password = "/etc/rancher/node/password"
  private static let agent = "/var/lib/rancher/k3s/agent"

  private func bench() throws -> WatchBench {
    let root = try ScratchRoot()
    try root.write(Self.password, "a\n")
    try root.make(Self.agent)
    let bench = try WatchBench(root)
    bench.start()
    return bench
  }

  @Test func wakesForEachWayAFileCanChange() throws {
    let bench = try bench()
    let root = bench.root
    let changes: [(String, () throws -> Void)] = [
      ("written in place", { try root.write(Self.password, "b\n") }),
      ("renamed over", { try root.replace(Self.password, "c\n") }),
      ("mode", { chmod(root.path + Self.password, 0o644) }),
      ("removed", { try root.remove(Self.password) }),
      ("made", { try root.write(Self.password, "d\n") }),
      ("moved away", { try root.move(Self.password, to: "/etc/rancher/node/other") }),
      ("moved back", { try root.move("/etc/rancher/node/other", to: Self.password) }),
      ("id", { try root.write("/etc/rancher/node/id", "01234567\n") }),
      ("stray", { try root.write(Self.agent + "/node-password.txt", "e\n") }),
      ("serving", { try root.write(Self.agent + "/serving-kubelet.crt", "f") }),
      ("client", { try root.replace(Self.agent + "/client-kubelet.crt", "g") }),
      ("server role", { try root.make("/var/lib/rancher/k3s/server/cred") }),
      ("configuration", { try root.write("/etc/rancher/k3s/config.yaml", "node-name: a\n") }),
    ]
    for (what, change) in changes {
      try change()
      let hints = bench.seen()
      #expect(!hints.isEmpty && hints.allSatisfy { $0 == .fileChanged }, "\(what): \(hints)")
    }
  }

  @Test func unrelatedNamesDoNotWake() throws {
    let bench = try bench()
    try bench.root.write("/etc/rancher/node/password.bak", "a")
    try bench.root.write("/etc/rancher/node/.nodepassd-1234", "a")
    try bench.root.remove("/etc/rancher/node/.nodepassd-1234")
    try bench.root.write("/etc/unrelated", "a")
    for number in 0..<200 { try bench.root.write("\(Self.agent)/kubelet-\(number)", "a") }
    try bench.root.make("\(Self.agent)/containerd/deep/er")
    #expect(bench.seen().isEmpty)
    // And it does hear what counts.
    try bench.root.remove(Self.password)
    #expect(bench.seen() == [.fileChanged])
  }

  @Test func followsDirectoriesThatAreRemovedAndMadeAgain() throws {
    let bench = try bench()
    for directory in ["/etc/rancher/node", "/etc/rancher", "/etc/rancher/node"] {
      try bench.root.remove(directory)
      #expect(!bench.seen().isEmpty, "\(directory) removed")
      try bench.root.make("/etc/rancher/node")
      #expect(!bench.seen().isEmpty, "\(directory) made")
      try bench.root.write(Self.password, "b\n")
      #expect(!bench.seen().isEmpty, "the file in the new \(directory)")
      try bench.root.write(Self.password, "c\n")
      #expect(!bench.seen().isEmpty, "written in place in the new \(directory)")
    }
  }

  @Test func followsDirectoriesThatAreExchanged() throws {
    let bench = try bench()
    try bench.root.move("/etc/rancher", to: "/etc/old")
    try bench.root.make("/etc/new/node")
    try bench.root.move("/etc/new", to: "/etc/rancher")
    #expect(!bench.seen().isEmpty)
    // What was moved away is none of ours any more.
    try bench.root.write("/etc/old/node/password", "x")
    #expect(bench.seen().isEmpty)
    try bench.root.write(Self.password, "b")
    #expect(!bench.seen().isEmpty)
  }

  @Test(arguments: [true, false]) func followsLinksOnTheWay(isAbsolute: Bool) throws {
    let root = try ScratchRoot()
    let before = isAbsolute ? root.path : ".."
    try root.write("/persist/one/node/password", "a\n")
    try root.write("/persist/two/node/password", "b\n")
    try root.make("/etc")
    try root.link("/etc/rancher", to: "\(before)/persist/one")
    let bench = try WatchBench(root)
    bench.start()
    try root.write("/persist/one/node/password", "c\n")
    #expect(!bench.seen().isEmpty, "behind the link")
    try root.write("/persist/two/node/password", "c\n")
    #expect(bench.seen().isEmpty, "not behind the link")
    // The link is exchanged in one step, as immutable systems do it.
    try root.link("/etc/next", to: "\(before)/persist/two")
    try root.move("/etc/next", to: "/etc/rancher")
    #expect(!bench.seen().isEmpty, "the link itself")
    try root.write("/persist/two/node/password", "d\n")
    #expect(!bench.seen().isEmpty, "behind the new link")
    try root.write("/persist/one/node/password", "d\n")
    #expect(bench.seen().isEmpty, "behind the old link")
    // The target's directory is exchanged under the link.
    try root.move("/persist/two", to: "/persist/three")
    #expect(!bench.seen().isEmpty, "the target went")
  }

  @Test func followsALinkInPlaceOfTheFile() throws {
    let bench = try bench()
    try bench.root.write("/persist/password", "a\n")
    try bench.root.remove(Self.password)
    try bench.root.link(Self.password, to: "\(bench.root.path)/persist/password")
    #expect(!bench.seen().isEmpty)
    try bench.root.write("/persist/password", "b\n")
    #expect(!bench.seen().isEmpty)
  }

  @Test func aLoopOfLinksEnds() throws {
    let root = try ScratchRoot()
    try root.make("/etc")
    try root.link("/etc/rancher", to: "rancher")
    let bench = try WatchBench(root)
    bench.start()
    try root.remove("/etc/rancher")
    #expect(!bench.seen().isEmpty)
  }

  @Test func nothingThereAtFirst() throws {
    let root = try ScratchRoot()
    let bench = try WatchBench(root)
    bench.start()
    try root.make("/etc/rancher/node")
    #expect(!bench.seen().isEmpty)
    try root.write(Self.password, "a\n")
    #expect(!bench.seen().isEmpty)
    try root.make("/var/lib/rancher/rke2/agent")
    #expect(!bench.seen().isEmpty)
    try root.write("/var/lib/rancher/rke2/agent/node-password.txt", "a\n")
    #expect(!bench.seen().isEmpty)
  }

  @Test func anotherInstallationHasOtherFiles() throws {
    let bench = try bench()
    try bench.root.make("/srv/k3s/agent")
    let moved = installation(passwordPath: "/srv/k3s/agent/etc/rancher/node/password", dataDirectory: "/srv/k3s")
    bench.follow(moved)
    #expect(bench.hints.next() == .fileChanged)
    try bench.root.write("/srv/k3s/agent/etc/rancher/node/password", "a\n")
    #expect(!bench.seen().isEmpty)
    try bench.root.write(Self.password, "b\n")
    try bench.root.write(Self.agent + "/serving-kubelet.crt", "b\n")
    #expect(bench.seen().isEmpty)
    // The same again is no news.
    bench.follow(moved)
    #expect(bench.seen().isEmpty)
  }

  @Test func theUnitAndItsEnvironment() throws {
    let bench = try bench()
    let root = bench.root
    for directory in ["/etc/default", "/etc/sysconfig", "/usr/lib/systemd/system"] { try root.make(directory) }
    try root.write("/etc/systemd/system/k3s-agent.service", "a")
    #expect(bench.seen().isEmpty, "nobody knows yet that it counts")
    bench.follow(installation(unit: "k3s-agent.service"))
    #expect(bench.hints.next() == .fileChanged)
    let changes: [(String, () throws -> Void)] = [
      ("unit", { try root.write("/etc/systemd/system/k3s-agent.service", "b") }),
      ("first drop-in", { try root.write("/etc/systemd/system/k3s-agent.service.d/a.conf", "c") }),
      ("another drop-in", { try root.replace("/etc/systemd/system/k3s-agent.service.d/b.conf", "d") }),
      ("drop-in changed", { try root.write("/etc/systemd/system/k3s-agent.service.d/b.conf", "e") }),
      ("environment beside it", { try root.write("/etc/systemd/system/k3s-agent.service.env", "f") }),
      ("default", { try root.write("/etc/default/k3s-agent", "g") }),
      ("sysconfig", { try root.write("/etc/sysconfig/k3s-agent", "h") }),
      ("packaged unit", { try root.write("/usr/lib/systemd/system/k3s-agent.service", "i") }),
      ("packaged environment", { try root.write("/usr/local/lib/systemd/system/k3s-agent.env", "j") }),
      ("removed", { try root.remove("/etc/systemd/system/k3s-agent.service") }),
    ]
    for (what, change) in changes {
      try change()
      let hints = bench.seen()
      #expect(!hints.isEmpty && hints.allSatisfy { $0 == .fileChanged }, "\(what): \(hints)")
    }
    for file in [
      "/etc/systemd/system/ssh.service", "/etc/systemd/system/k3s.service.env", "/etc/default/grub",
      "/etc/systemd/system/k3s-agent.service.d/README", "/etc/systemd/system/k3s-agent.service.d/a.yaml",
      "/usr/lib/systemd/system/cron.service", "/etc/systemd/system/multi-user.target.wants/x",
    ] {
      try root.write(file, "x")
      #expect(bench.seen().isEmpty, "\(file)")
    }
  }

  @Test func theConfigurationThatIsInForce() throws {
    let bench = try bench()
    bench.follow(installation(dropIns: .present("/srv/k.yaml.d")))
    #expect(bench.hints.next() == .fileChanged)
    try bench.root.write("/srv/k.yaml", "a")
    #expect(!bench.seen().isEmpty)
    try bench.root.write("/srv/k.yaml.d/1.yml", "a")
    #expect(!bench.seen().isEmpty)
    try bench.root.write("/srv/k.yaml.d/1.yml", "b")
    #expect(!bench.seen().isEmpty)
    try bench.root.write("/etc/rancher/k3s/config.yaml", "a")
    #expect(bench.seen().isEmpty)
  }

  @Test func policyChangesAreToldApart() throws {
    let bench = try bench()
    let directory = "/etc/nodepassd"
    #expect(try bench.policySeen { try bench.root.write("\(directory)/policy.yaml", "x") })
    #expect(try bench.policySeen { try bench.root.make("\(directory)/policy.d") })
    #expect(try bench.policySeen { try bench.root.write("\(directory)/policy.d/10-a.yaml", "x") })
    #expect(try bench.policySeen { try bench.root.remove("\(directory)/policy.d/10-a.yaml") })
    #expect(try bench.policySeen { try bench.root.remove(directory) })
  }
}
