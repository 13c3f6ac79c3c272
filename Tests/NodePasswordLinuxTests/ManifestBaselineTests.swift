import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// The baseline as private files.
@Suite struct ManifestBaselineTests {
  private static let state = "/var/lib/nodepassd/manifests"

  private let scratch: ManifestScratch

  init() throws { scratch = try ManifestScratch() }

  private func mode(_ path: String) -> Int {
    var status = stat()
    return lstat(scratch.root.path + path, &status) == 0 ? Int(status.st_mode & 0o7777) : 0
  }

  @Test func whatWasAcceptedIsKeptPrivately() throws {
    try scratch.write("a.yaml", "a: 1\n")
    try scratch.write("sub/b.yaml", "b: 2\n", mode: 0o644)
    try scratch.write("c.yaml", "a: 1\n")
    #expect(try scratch.acceptAll() == .done)
    let accepted = try #require(try scratch.accepted().value)
    #expect(accepted.entries.map(\.path) == ["a.yaml", "c.yaml", "sub/b.yaml"])
    #expect(accepted.entries.map(\.mode) == [0o600, 0o600, 0o644] && accepted.version == "v1.34.2+k3s1")
    #expect(accepted.entries.allSatisfy { $0.hasCopy && $0.origin == .firstLook })
    #expect(mode(Self.state) == 0o700 && mode(Self.state + "/copies") == 0o700 && mode(Self.state + "/list") == 0o600)
    // Two of the same contents are one copy.
    let copies = scratch.root.names(Self.state + "/copies")
    #expect(copies.count == 2)
    for copy in copies { #expect(mode("\(Self.state)/copies/\(copy)") == 0o600) }
    // Another run reads the same.
    let other = FileManifestBaseline(paths: scratch.root.paths, entropy: KernelEntropy())
    #expect(try wait { other.load($0) }.get() == .present(accepted))
  }

  @Test func whatIsTooLargeHasAHashAndNoCopy() throws {
    try scratch.write("fits.yaml", String(repeating: "a", count: Int(AcceptedManifests.copyLimit)))
    try scratch.write("large.yaml", String(repeating: "a", count: Int(AcceptedManifests.copyLimit) + 1))
    #expect(try scratch.acceptAll() == .done)
    let accepted = try #require(try scratch.accepted().value)
    #expect(accepted.entry("fits.yaml")?.hasCopy == true)
    #expect(accepted.entry("large.yaml")?.hasCopy == false && accepted.entry("large.yaml")?.digest != nil)
    try scratch.write("large.yaml", "small")
    let (possible, hindrances) = ManifestRestore.make(for: try scratch.changes())
    #expect(possible.isEmpty && hindrances.first?.contains("no copy") == true)
  }

  @Test func allCopiesTogetherAreBounded() throws {
    let size = Int(AcceptedManifests.copyLimit)
    let fitting = Int(AcceptedManifests.copyTotalLimit) / size
    for index in 0..<(fitting + 3) {
      try scratch.write("\(1000 + index).yaml", "\(index)\n" + String(repeating: "a", count: size - 8))
    }
    #expect(try scratch.acceptAll() == .done)
    let kept = try #require(try scratch.accepted().value).entries.filter(\.hasCopy)
    #expect(kept.count == fitting && kept.reduce(0) { $0 + $1.size } <= AcceptedManifests.copyTotalLimit)
  }

  @Test func acceptingAChangeReplacesItsCopy() throws {
    try scratch.write("a.yaml", "a: 1\n")
    try scratch.write("b.yaml", "b: 1\n")
    #expect(try scratch.acceptAll() == .done)
    try scratch.write("a.yaml", "a: 2\n")
    try scratch.root.remove(ManifestScratch.place + "/b.yaml")
    try scratch.write("c.yaml", "c: 1\n")
    #expect(try scratch.changes().map(\.kind) == [.changed, .removed, .added])
    #expect(try scratch.accept(scratch.changes()) == .done)
    #expect(try scratch.changes().isEmpty)
    let accepted = try #require(try scratch.accepted().value)
    #expect(
      accepted.entries.map(\.path) == ["a.yaml", "c.yaml"] && accepted.entries.allSatisfy { $0.origin == .person })
    #expect(accepted.version == "v1.34.2+k3s1")
  }

  @Test func whatIsAnotherByNowIsNotAccepted() throws {
    try scratch.write("a.yaml", "a: 1\n")
    #expect(try scratch.acceptAll() == .done)
    try scratch.write("a.yaml", "a: 2\n")
    let changes = try scratch.changes()
    try scratch.write("a.yaml", "a: 33\n")
    #expect(try scratch.accept(changes).isSurprise)
    #expect(try scratch.changes().map(\.path) == ["a.yaml"])
    // Nor is a second first look.
    #expect(try scratch.acceptAll().isSurprise)
  }

  // MARK: Damage

  @Test func aDamagedListIsUnknownAndNeverMadeAnewByItself() throws {
    try scratch.write("a.yaml", "a: 1\n")
    try scratch.write("b.yaml", "b: 1\n")
    #expect(try scratch.acceptAll() == .done)
    let list = Self.state + "/list"
    let text = try #require(scratch.root.read(list))
    let damages: [String] = [
      "", "x", String(text.dropLast(1)), String(text.dropFirst(1)), text + "x",
      text.replacing("a.yaml", with: "z.yaml"),
      text.replacing("first-look", with: "person"),
    ]
    for damage in damages {
      try scratch.root.write(damage, list)
      #expect(try scratch.accepted().obstacle?.kind == .malformed, "\(damage.count) bytes")
      #expect(try scratch.acceptAll() != .done)
      #expect(scratch.root.read(list) == damage)
    }
    // A person's word makes it anew, and keeps what was there.
    #expect(try wait { scratch.acceptor.acceptAnew($0) } == .done)
    #expect(try scratch.changes().isEmpty)
    #expect(scratch.root.read(list + ".damaged-1") == damages.last)
  }

  @Test func everyCutListIsNoticed() throws {
    try scratch.write("a.yaml", "a: 1\n")
    #expect(try scratch.acceptAll() == .done)
    let list = Self.state + "/list"
    let text = try #require(scratch.root.read(list))
    for count in 0..<text.utf8.count {
      try scratch.root.write(Array(text.utf8.prefix(count)), list)
      #expect(try scratch.accepted().obstacle?.kind == .malformed, "cut at \(count)")
    }
  }

  @Test func aDamagedCopyIsNeverRestored() throws {
    try scratch.write("a.yaml", "a: 1\n")
    #expect(try scratch.acceptAll() == .done)
    let copy = try #require(scratch.root.names(Self.state + "/copies").first)
    try scratch.root.write("a: 666\n", "\(Self.state)/copies/\(copy)")
    try scratch.write("a.yaml", "a: 2\n")
    guard case .failed(let obstacle) = try scratch.restore(scratch.changes()) else {
      return #expect(Bool(false), "it was restored")
    }
    #expect(obstacle.kind == .malformed && scratch.read("a.yaml") == "a: 2\n")
    try scratch.root.remove("\(Self.state)/copies/\(copy)")
    guard case .failed = try scratch.restore(scratch.changes()) else { return #expect(Bool(false), "it was restored") }
    #expect(scratch.read("a.yaml") == "a: 2\n")
  }

  /// Law L8: copies come first, so a crash in between leaves no list that names one that is not there.
  @Test func copiesWithoutAListAreNoBaseline() throws {
    try scratch.write("a.yaml", "a: 1\n")
    let bytes = SecretBytes(copying: Array("a: 1\n".utf8))
    let digest = try #require(try scratch.tree().files.first?.digest)
    #expect(try wait { scratch.baseline.keep(bytes, as: digest, $0) }.obstacleKind == nil)
    #expect(try scratch.accepted().isAbsent)
    #expect(try scratch.acceptAll() == .done)
    #expect(try scratch.accepted().value?.entries.first?.hasCopy == true)
  }

  @Test func bytesOfAnotherDigestAreNotKept() throws {
    try scratch.write("a.yaml", "a: 1\n")
    let digest = try #require(try scratch.tree().files.first?.digest)
    let other = SecretBytes(copying: Array("other".utf8))
    #expect(try wait { scratch.baseline.keep(other, as: digest, $0) }.obstacleKind == .conflict)
    #expect(scratch.root.names(Self.state + "/copies").isEmpty)
  }

  /// A verb and the daemon may both have looked; only one of them saw what is there.
  @Test func aListIsOnlyReplacedByOneWhoSawIt() throws {
    try scratch.write("a.yaml", "a: 1\n")
    #expect(try scratch.acceptAll() == .done)
    let stale = try #require(try scratch.accepted().value)
    try scratch.write("a.yaml", "a: 2\n")
    #expect(try scratch.accept(scratch.changes()) == .done)
    let answer = try wait { scratch.baseline.save(stale, settingAside: false, $0) }
    #expect(answer.obstacleKind == .conflict)
  }
}
