import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// Hints about `server/manifests`: each change wakes that subject, wherever in the tree it is.
final class ManifestWatchBench: Sendable {
  static let place = ManifestScratch.place
  let root: ScratchRoot
  let watch: InotifyWatch
  let hints = Inbox<Subject>()
  let failures = Inbox<Subject>()
  private let policy = Inbox<Void>()

  init(
    treeRetryDelay: DispatchTimeInterval = .seconds(600),
    addWatch: @escaping @Sendable (Int32, String, UInt32) -> Int32 = WatchWalker.addWatch
  ) throws {
    root = try ScratchRoot()
    try root.make("/etc/nodepassd")
    try root.make("/var/lib/nodepassd")
    try root.make(Self.place)
    watch = InotifyWatch(
      paths: root.paths, retryDelay: .milliseconds(20), treeRetryDelay: treeRetryDelay, addWatch: addWatch)
  }

  func start(_ server: Bool = true) {
    watch.onPolicyChange { [policy] in policy.put(()) }
    let registered = DispatchSemaphore(value: 0)
    watch.start { registered.signal() }
    #expect(registered.wait(timeout: .now() + 30) == .success)
    let installation = Installation(
      distribution: .k3s, hasServerRole: server, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
      dataDirectory: ManifestScratch.data, passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .absent, machineID: "m", bootID: "b", addresses: []))
    watch.watch(installation) { [hints, failures] subject, cause in
      hints.put(subject)
      if cause == .watchFailed { failures.put(subject) }
    }
    _ = seen()
  }

  /// Who was woken for everything done so far: events come in order, and one of ours ends them.
  func seen() -> Set<Subject> {
    _ = policy.drain()
    #expect(throws: Never.self) { try root.replace("/etc/nodepassd/policy.yaml", "\(UUID())") }
    #expect(policy.next() != nil)
    return Set(hints.drain())
  }

  /// Whether this subject was woken, whoever else was.
  func wakes(after change: () throws -> Void) rethrows -> Bool { try seen(after: change).contains(.manifests) }

  func seen(after change: () throws -> Void) rethrows -> Set<Subject> {
    try change()
    return seen()
  }
}

@Suite struct ManifestWatchTests {
  private typealias Bench = ManifestWatchBench

  @Test func wakesForEachWayAManifestCanChange() throws {
    let bench = try Bench()
    try bench.root.write(Bench.place + "/a.yaml", "1")
    try bench.root.write(Bench.place + "/sub/deep/b.json", "1")
    bench.start()
    for file in ["/a.yaml", "/sub/deep/b.json", "/new.yml", "/sub/new.yaml", "/sub/deep/b.json.skip"] {
      let path = Bench.place + file
      #expect(try bench.seen { try bench.root.write(path, "2") } == [.manifests], "\(file) written")
      #expect(try bench.seen { try bench.root.replace(path, "3") } == [.manifests], "\(file) replaced")
      #expect(bench.seen { chmod(bench.root.path + path, 0o644) } == [.manifests], "\(file) chmod")
      #expect(try bench.seen { try bench.root.remove(path) } == [.manifests], "\(file) removed")
    }
  }

  @Test func whatDoesNotCountDoesNotWake() throws {
    let bench = try Bench()
    try bench.root.write(Bench.place + "/notes.txt", "1")
    bench.start()
    #expect(try bench.seen { try bench.root.write(Bench.place + "/notes.txt", "2") } == [])
    #expect(try bench.seen { try bench.root.write(Bench.place + "/.nodepassd-a.yaml-1", "2") } == [])
    #expect(try bench.seen { try bench.root.write("/var/lib/rancher/k3s/server/other.yaml", "2") } == [])
    #expect(try bench.seen { try bench.root.write("/etc/rancher/node/password", "x") } == [.machine])
  }

  @Test func foldersThatComeAndGoAreFollowed() throws {
    let bench = try Bench()
    bench.start()
    for round in 0..<3 {
      #expect(try bench.wakes { try bench.root.make(Bench.place + "/s/t/u") })
      #expect(try bench.seen { try bench.root.write(Bench.place + "/s/t/u/a.yaml", "\(round)") } == [.manifests])
      #expect(try bench.seen { try bench.root.move(Bench.place + "/s", to: Bench.place + "/moved") } == [.manifests])
      #expect(try bench.seen { try bench.root.write(Bench.place + "/moved/t/u/a.yaml", "x") } == [.manifests])
      #expect(try bench.seen { try bench.root.remove(Bench.place + "/moved") } == [.manifests])
    }
    #expect(try bench.wakes { try bench.root.remove(Bench.place) })
    #expect(try bench.wakes { try bench.root.write(Bench.place + "/again/a.yaml", "1") })
    #expect(try bench.seen { try bench.root.write(Bench.place + "/again/a.yaml", "2") } == [.manifests])
  }

  @Test func linkedFoldersAreFollowedOneLevel() throws {
    let bench = try Bench()
    try bench.root.write("/opt/one/a.yaml", "1")
    try bench.root.write("/opt/two/b.yaml", "1")
    try bench.root.link("/opt/one/more", to: bench.root.path + "/opt/two")
    bench.start()
    // Below a private root an absolute link leads out of it; K3s's own would not.
    #expect(
      try bench.seen { try bench.root.link(Bench.place + "/linked", to: "../../../../../../opt/one") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/opt/one/a.yaml", "2") } == [.manifests])
    #expect(try bench.wakes { try bench.root.write("/opt/one/sub/c.yaml", "2") })
    #expect(try bench.seen { try bench.root.write("/opt/one/sub/c.yaml", "3") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/opt/two/b.yaml", "2") } == [])
    // The folder that it leads to is exchanged for another.
    #expect(try bench.wakes { try bench.root.move("/opt/one", to: "/opt/old") })
    #expect(try bench.wakes { try bench.root.write("/opt/one/a.yaml", "4") })
    #expect(try bench.seen { try bench.root.write("/opt/one/a.yaml", "5") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/opt/old/a.yaml", "6") } == [])
    #expect(try bench.seen { try bench.root.remove(Bench.place + "/linked") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/opt/one/a.yaml", "7") } == [])
  }

  @Test func aLinkedFileIsFollowed() throws {
    let bench = try Bench()
    try bench.root.write("/opt/a.yaml", "1")
    try bench.root.link(Bench.place + "/a.yaml", to: bench.root.path + "/opt/a.yaml")
    bench.start()
    #expect(try bench.seen { try bench.root.write("/opt/a.yaml", "2") } == [.manifests])
    #expect(try bench.seen { try bench.root.remove("/opt/a.yaml") } == [.manifests])
    #expect(try bench.seen { try bench.root.replace("/opt/a.yaml", "3") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/opt/b.yaml", "2") } == [])
  }

  @Test(.timeLimit(.minutes(15))) func aLoopOfLinksEnds() throws {
    let bench = try Bench()
    try bench.root.link(Bench.place + "/up", to: "..")
    try bench.root.link(Bench.place + "/self", to: ".")
    bench.start()
    #expect(try bench.seen { try bench.root.write(Bench.place + "/a.yaml", "2") } == [.manifests])
  }

  /// A verb has accepted something.
  @Test func theBaselinesListIsWatched() throws {
    let bench = try Bench()
    bench.start()
    #expect(try bench.wakes { try bench.root.write("/var/lib/nodepassd/manifests/list", "1") })
    #expect(try bench.seen { try bench.root.replace("/var/lib/nodepassd/manifests/list", "2") } == [.manifests])
    #expect(try bench.seen { try bench.root.write("/var/lib/nodepassd/manifests/copies/x", "2") } == [])
  }

  @Test func anAgentHasNoManifests() throws {
    let bench = try Bench()
    bench.start(false)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/a.yaml", "2") } == [])
  }

  /// No change falls between looking and watching: a writer makes folders and files in them without a pause, and whatever
  /// the last hint's look does not see is told of again.
  @Test func nothingFallsBetweenLookingAndWatching() throws {
    let bench = try Bench()
    bench.start()
    let scratch = LinuxManifests(paths: bench.root.paths, entropy: KernelEntropy())
    let installation = try ManifestScratch().installation
    for round in 0..<40 {
      try bench.root.write("\(Bench.place)/r\(round)/s/t/file.yaml", "\(round)")
    }
    while bench.hints.next(timeout: .seconds(2)) != nil {}
    let tree = try #require(try wait { scratch.look(installation, $0) }.get().value)
    #expect(tree.files.count == 40)
    for round in 0..<40 {
      #expect(try bench.seen { try bench.root.write("\(Bench.place)/r\(round)/s/t/file.yaml", "x") } == [.manifests])
    }
  }
}
