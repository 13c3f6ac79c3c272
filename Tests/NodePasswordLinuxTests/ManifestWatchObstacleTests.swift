import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordLinux
import Synchronization
import Testing

/// What cannot be watched below `server/manifests` is an obstacle of the manifests alone, and the machine does not wait for
/// their tree.
@Suite struct ManifestWatchObstacleTests {
  private typealias Bench = ManifestWatchBench

  /// Lets inotify_add_watch(2) fail below the manifests.
  private final class Fault: Sendable {
    let isOn = Mutex(true)
    /// A failed try each.
    let tries = Inbox<Void>()
    private let end: String
    private let code: Int32

    init(_ code: Int32, at end: String) {
      self.code = code
      self.end = end
    }

    func add(_ inotify: Int32, _ path: String, _ mask: UInt32) -> Int32 {
      let place = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
      guard place.hasSuffix(end), isOn.withLock({ $0 }) else { return inotify_add_watch(inotify, path, mask) }
      tries.put(())
      return -code
    }
  }

  private static let password = "/etc/rancher/node/password"

  @Test func anothersFolderIsToldOnceAndWaitsForAChange() throws {
    let fault = Fault(EACCES, at: "/manifests/private")
    let bench = try Bench { fault.add($0, $1, $2) }
    try bench.root.write(Bench.place + "/private/a.yaml", "1")
    bench.start()
    let obstacle = try #require(bench.watch.manifestObstacle)
    #expect(obstacle.kind == .permissionDenied && obstacle.place == bench.root.path + Bench.place + "/private")
    #expect(fault.tries.drain().count == 1)
    // Nothing that happens elsewhere walks the tree again.
    #expect(try bench.seen { try bench.root.write(Self.password, "1") } == [.machine])
    #expect(try bench.seen { try bench.root.replace(Self.password, "2") } == [.machine])
    #expect(fault.tries.drain().isEmpty)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/b.yaml", "1") } == [.manifests])
    #expect(bench.failures.drain().isEmpty, "the machine is watched")
    fault.isOn.withLock { $0 = false }
    #expect(bench.seen { chmod(bench.root.path + Bench.place + "/private", 0o755) } == [.manifests])
    #expect(bench.watch.manifestObstacle == nil)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/private/a.yaml", "2") } == [.manifests])
  }

  /// Told of the manifests, once; and once there is room, they are looked at.
  @Test func watchesThatRunOutBelowThemAreTriedAgain() throws {
    let fault = Fault(ENOSPC, at: "/manifests/sub")
    let bench = try Bench(treeRetryDelay: .milliseconds(20)) { fault.add($0, $1, $2) }
    try bench.root.write(Bench.place + "/sub/a.yaml", "1")
    bench.start()
    #expect(bench.watch.manifestObstacle?.kind == .busy)
    for _ in 0..<6 { #expect(fault.tries.next() != nil) }
    #expect(bench.seen().isEmpty && bench.failures.drain().isEmpty)
    fault.isOn.withLock { $0 = false }
    #expect(bench.hints.next() == .manifests)
    #expect(bench.watch.manifestObstacle == nil)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/sub/a.yaml", "2") } == [.manifests])
  }

  @Test func tooManyFoldersAreSaid() throws {
    let bench = try Bench()
    for index in 0...WatchWalker.folderLimit { try bench.root.make("\(Bench.place)/\(index)") }
    bench.start()
    #expect(bench.watch.manifestObstacle?.kind == .tooLarge && bench.failures.drain().isEmpty)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/a.yaml", "1") } == [.manifests])
    #expect(try bench.seen { try bench.root.write(Self.password, "1") } == [.machine])
  }

  /// A directory on the way to both is exchanged: whoever waits for the machine is told before the tree is walked.
  @Test func theMachineDoesNotWaitForTheTree() throws {
    let isHeld = Mutex(false)
    let gate = DispatchSemaphore(value: 0)
    let bench = try Bench { inotify, path, mask in
      let place = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
      if place.hasSuffix(ManifestScratch.place), isHeld.withLock({ $0 }) { gate.wait() }
      return inotify_add_watch(inotify, path, mask)
    }
    let (server, other) = ("/var/lib/rancher/k3s/server", "/var/lib/rancher/k3s/other")
    bench.start()
    #expect(try bench.wakes { try bench.root.move(server, to: other) })
    isHeld.withLock { $0 = true }
    try bench.root.move(other, to: server)
    var told: [Subject] = []
    while !told.contains(.machine), let next = bench.hints.next() { told.append(next) }
    #expect(told.contains(.machine) && !told.contains(.manifests))
    isHeld.withLock { $0 = false }
    for _ in 0..<20 { gate.signal() }
    while !told.contains(.manifests), let next = bench.hints.next() { told.append(next) }
    #expect(told.contains(.manifests))
    #expect(try bench.seen { try bench.root.write(Bench.place + "/a.yaml", "1") } == [.manifests])
  }

  @Test func aServerThatLosesItsRoleLeavesNoWatches() throws {
    let bench = try Bench()
    bench.start()
    #expect(try bench.wakes { try bench.root.write(Bench.place + "/a.yaml", "1") })
    bench.start(false)
    #expect(try bench.seen { try bench.root.write(Bench.place + "/a.yaml", "2") } == [])
  }
}
