import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// Manifests put back on real files, by law L7.
@Suite struct ManifestRestoreTests {
  private static let displaced = "/var/lib/nodepassd/manifests/displaced"

  private let scratch: ManifestScratch

  init() throws {
    scratch = try ManifestScratch()
    try scratch.write("a.yaml", "a: 1\n", mode: 0o640)
    try scratch.write("sub/deep/b.yaml", "b: 1\n")
    #expect(try scratch.acceptAll() == .done)
  }

  private func names(_ directory: String = "") -> [String] { scratch.root.names(ManifestScratch.place + directory) }

  private func keptBytes() -> Set<String> {
    Set(scratch.root.names(Self.displaced).compactMap { scratch.root.read("\(Self.displaced)/\($0)") })
  }

  @Test func aChangedFileIsPutBackWithANewTime() throws {
    let accepted = scratch.modified("a.yaml")
    try scratch.write("a.yaml", "a: 2\n", mode: 0o640)
    let edited = scratch.modified("a.yaml")
    #expect(try scratch.restore(scratch.changes()) == .done)
    #expect(scratch.read("a.yaml") == "a: 1\n" && keptBytes() == ["a: 2\n"])
    let restored = scratch.modified("a.yaml")
    for before in [accepted, edited] {
      #expect((restored.tv_sec, restored.tv_nsec) > (before.tv_sec, before.tv_nsec))
    }
    var status = stat()
    #expect(stat(scratch.path("a.yaml"), &status) == 0 && status.st_mode & 0o7777 == 0o640)
    #expect(names() == ["a.yaml", "sub"])
    #expect(try scratch.changes().isEmpty)
  }

  @Test func aRemovedFileComesBackWithItsFolders() throws {
    try scratch.root.remove(ManifestScratch.place + "/sub")
    try scratch.root.remove(ManifestScratch.place + "/a.yaml")
    #expect(try scratch.restore(scratch.changes()) == .done)
    #expect(scratch.read("a.yaml") == "a: 1\n" && scratch.read("sub/deep/b.yaml") == "b: 1\n")
    var status = stat()
    #expect(stat(scratch.path("sub/deep"), &status) == 0 && status.st_mode & 0o7777 == 0o700)
    #expect(stat(scratch.path("a.yaml"), &status) == 0 && status.st_mode & 0o7777 == 0o640)
    #expect(try scratch.changes().isEmpty)
  }

  @Test func theWholeDirectoryComesBack() throws {
    try scratch.root.remove(ManifestScratch.place)
    let changes = ManifestChange.between(ManifestTree(), try #require(try scratch.accepted().value))
    #expect(try scratch.restore(changes) == .done)
    #expect(try scratch.changes().isEmpty)
  }

  @Test func anAddedFileIsKeptBeforeItGoes() throws {
    try scratch.write("new.yaml", "new: 1\n")
    try scratch.write("sub/a.yaml.skip", "because\n")
    #expect(try scratch.changes().map(\.kind) == [.added, .skipped])
    #expect(try scratch.restore(scratch.changes()) == .done)
    #expect(names() == ["a.yaml", "sub"] && names("/sub") == ["deep"])
    #expect(keptBytes() == ["new: 1\n", "because\n"])
    for name in scratch.root.names(Self.displaced) {
      var status = stat()
      #expect(stat("\(scratch.root.path)\(Self.displaced)/\(name)", &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }
  }

  @Test func whoeverComesBetweenKeepsWhatHeWrote() throws {
    try scratch.write("a.yaml", "a: 2\n")
    try scratch.write("new.yaml", "new: 1\n")
    let changes = try scratch.changes()
    try scratch.write("a.yaml", "a: 33\n")
    try scratch.write("new.yaml", "new: 22\n")
    for change in changes { #expect(try scratch.restore([change]).isSurprise) }
    #expect(scratch.read("a.yaml") == "a: 33\n" && scratch.read("new.yaml") == "new: 22\n")
    // And what has appeared meanwhile is not written over.
    try scratch.root.remove(ManifestScratch.place + "/a.yaml")
    let removed = try scratch.changes().filter { $0.kind == .removed }
    try scratch.write("a.yaml", "a: 4\n")
    #expect(try scratch.restore(removed).isSurprise)
    #expect(scratch.read("a.yaml") == "a: 4\n")
    #expect(names().allSatisfy { !$0.hasPrefix(".") })
  }

  /// What a crash has left goes, in folders too; nobody else's files, and none behind a link.
  @Test func leftoversOfACrashAreSwept() throws {
    try scratch.root.write("x", "/opt/outside/.nodepassd-a.yaml-1")
    try scratch.link("linked", to: scratch.root.path + "/opt/outside")
    for name in [".nodepassd-a.yaml-1", "sub/deep/.nodepassd-b.yaml-2", ".other", ".kept-by-nodepassd-a.yaml-3"] {
      try scratch.write(name, "x")
    }
    scratch.manifests.sweepLeftovers(of: scratch.installation)
    // In the queue's order.
    #expect(try scratch.changes().isEmpty)
    #expect(names() == [".kept-by-nodepassd-a.yaml-3", ".other", "a.yaml", "linked", "sub"])
    #expect(names("/sub/deep") == ["b.yaml"])
    #expect(scratch.root.names("/opt/outside") == [".nodepassd-a.yaml-1"])
  }

  // MARK: Links

  @Test func nothingIsWrittenThroughALink() throws {
    let outside = scratch.root.path + "/opt/outside"
    try scratch.root.write("x: 1\n", "/opt/outside/b.yaml")
    try scratch.root.remove(ManifestScratch.place + "/sub/deep")
    try scratch.link("sub/deep", to: outside)
    let changes = try scratch.changes()
    #expect(changes.map(\.path) == ["sub/deep/b.yaml"] && changes.first?.file?.isBehindLink == true)
    #expect(ManifestRestore.make(for: changes).possible.isEmpty)
    // Even where the plan was made before the link came.
    let digest = try #require(changes.first?.accepted?.digest)
    for expectation in [Action.FileExpectation.absent, .exactly(try #require(changes.first?.file?.identity))] {
      let step = ManifestRestore(path: "sub/deep/b.yaml", step: .putBack(digest, mode: 0o600, over: expectation))
      let restorer = ManifestRestorer(
        manifests: scratch.manifests, baseline: scratch.baseline, installation: scratch.installation)
      #expect(try wait { restorer.restore([step], $0) } != .done)
    }
    #expect(scratch.root.read("/opt/outside/b.yaml") == "x: 1\n" && scratch.root.names("/opt/outside") == ["b.yaml"])
  }

  @Test func aLinkInPlaceOfAFileIsNeverReplacedOrRemoved() throws {
    try scratch.root.write("x: 1\n", "/opt/x.yaml")
    try scratch.root.remove(ManifestScratch.place + "/a.yaml")
    try scratch.link("a.yaml", to: scratch.root.path + "/opt/x.yaml")
    let change = try #require(try scratch.changes().first)
    let identity = try #require(change.file?.identity)
    let digest = try #require(change.accepted?.digest)
    let restorer = ManifestRestorer(
      manifests: scratch.manifests, baseline: scratch.baseline, installation: scratch.installation)
    for step: ManifestRestore.Step in [.remove(identity), .putBack(digest, mode: 0o600, over: .exactly(identity))] {
      #expect(try wait { restorer.restore([ManifestRestore(path: "a.yaml", step: step)], $0) } != .done)
    }
    #expect(scratch.root.read("/opt/x.yaml") == "x: 1\n")
    #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: scratch.path("a.yaml"))) != nil)
  }

  @Test func aLinkedDirectoryIsReadAndNotWritten() throws {
    let place = scratch.root.path + ManifestScratch.place
    try FileManager.default.moveItem(atPath: place, toPath: place + "-elsewhere")
    try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: place + "-elsewhere")
    #expect(try scratch.changes().isEmpty)
    try scratch.write("a.yaml", "a: 2\n")
    let changes = try scratch.changes()
    #expect(changes.first?.file?.isBehindLink == true && ManifestRestore.make(for: changes).possible.isEmpty)
    let removal = ManifestRestore(path: "a.yaml", step: .remove(try #require(changes.first?.file?.identity)))
    let restorer = ManifestRestorer(
      manifests: scratch.manifests, baseline: scratch.baseline, installation: scratch.installation)
    #expect(try wait { restorer.restore([removal], $0) } != .done)
    #expect(scratch.read("a.yaml") == "a: 2\n")
  }

  // MARK: Displaced

  @Test func displacedFilesAreBoundedAndNothingIsLostThen() throws {
    let large = String(repeating: "x", count: Int(ManifestTree.sizeLimit) - 16)
    let fitting = Int(FileManifestBaseline.displacedLimit / ManifestTree.sizeLimit)
    var outcomes: [Outcome] = []
    for round in 0...fitting {
      try scratch.write("new.yaml", "\(round)" + large)
      outcomes.append(try scratch.restore(scratch.changes()))
    }
    #expect(outcomes.dropLast().allSatisfy { $0 == .done })
    guard case .failed(let obstacle)? = outcomes.last else { return #expect(Bool(false), "\(outcomes)") }
    #expect(obstacle.kind == .noSpace && scratch.read("new.yaml")?.hasPrefix("\(fitting)") == true)
  }

  @Test func aLongNameIsKept() throws {
    for name in [String(repeating: "a", count: 210), String(repeating: "ü", count: 105)] {
      try scratch.write(name + ".yaml", "new: 1\n")
    }
    #expect(try scratch.restore(scratch.changes()) == .done)
    #expect(scratch.root.names(Self.displaced).count == 2 && names() == ["a.yaml", "sub"])
  }

  @Test func theSameContentsAreKeptOnce() throws {
    for _ in 0..<3 {
      try scratch.write("new.yaml", "new: 1\n")
      #expect(try scratch.restore(scratch.changes()) == .done)
    }
    #expect(scratch.root.names(Self.displaced).count == 1)
  }
}
