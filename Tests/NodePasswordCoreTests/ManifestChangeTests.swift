import NodePasswordCore
import Testing

@Suite struct ManifestChangeTests {
  private let accepted = [M.entry("a.yaml", 1), M.entry("m/b.yaml", 2), M.entry("z.json", 3)]
  private let present = [M.file("a.yaml", 1), M.file("m/b.yaml", 2), M.file("z.json", 3)]

  @Test func whatIsAsItWasMakesNoDifference() {
    #expect(M.changes(present, accepted).isEmpty)
    #expect(M.changes([], []).isEmpty)
  }

  @Test func eachKindIsToldApart() {
    let files = [M.file("a.yaml", 9), M.file("m/new.yaml", 5), M.file("x/z.json.skip", 0), M.file("z.json", 3)]
    #expect(
      M.words(M.changes(files, accepted)) == [
        "changed a.yaml", "removed m/b.yaml", "added m/new.yaml", "skipped x/z.json.skip",
      ])
  }

  @Test func aSkipFileMayHoldAnything() {
    let entries = accepted + [M.entry("a.yaml.skip", 1)]
    #expect(M.changes(present + [M.file("a.yaml.skip", 7)], entries).isEmpty)
  }

  @Test func aSecondSkipFileOfTheSameNameIsNoNews() {
    let entries = accepted + [M.entry("a.yaml.skip", 1)]
    #expect(M.changes(present + [M.file("a.yaml.skip", 1), M.file("m/a.yaml.skip", 1)], entries).isEmpty)
  }

  @Test func aSkipFileOfNothingThatWasAcceptedIsNoNews() {
    #expect(M.changes(present + [M.file("other.yaml.skip", 1)], accepted).isEmpty)
  }

  /// K3s would apply the file from then on.
  @Test func aSkipFileThatWasAcceptedAndIsGoneIsRemoved() {
    #expect(M.words(M.changes(present, accepted + [M.entry("a.yaml.skip", 1)])) == ["removed a.yaml.skip"])
  }

  @Test func whatCouldNotBeReadIsComparedBySize() {
    var file = M.file("a.yaml", 1)
    file.contents = .unknown(Fixture.obstacle)
    #expect(M.changes([file], [M.entry("a.yaml", 1)]).isEmpty)
    #expect(M.words(M.changes([file], [M.entry("a.yaml", 1, size: 11)])) == ["changed a.yaml"])
    #expect(M.changes([M.file("a.yaml", 1)], [M.entry("a.yaml", nil)]).isEmpty)
    #expect(M.words(M.changes([M.file("a.yaml", 1)], [M.entry("a.yaml", nil, size: 11)])) == ["changed a.yaml"])
  }

  /// Law L3: a folder that could not be listed has lost nothing.
  @Test func unknownIsNotRemoved() {
    let tree = ManifestTree(files: [present[0], present[2]], unseen: ["m/": Fixture.obstacle])
    #expect(ManifestChange.between(tree, AcceptedManifests(accepted)).isEmpty)
    #expect(tree.obstacles == [Fixture.obstacle])
  }

  @Test func itIsTotalAndEachPathComesOnce() {
    var random = SeededGenerator(seed: 7)
    let paths = ["a.yaml", "a.yaml.skip", "b.yml", "m/a.yaml", "m/a.yaml.skip", "m/b.json", "z.yaml"]
    for _ in 0..<2_000 {
      func some() -> [(String, UInt8)] {
        paths.filter { _ in Bool.random(using: &random) }.map { ($0, UInt8.random(in: 0...1, using: &random)) }
      }
      let (files, entries) = (some(), some())
      let tree = ManifestTree(files: files.map { M.file($0.0, $0.1) })
      let list = AcceptedManifests(entries.map { M.entry($0.0, $0.1) })
      let changes = ManifestChange.between(tree, list)
      #expect(Set(changes.map(\.path)).count == changes.count && changes.map(\.path) == changes.map(\.path).sorted())
      for change in changes {
        #expect(change.file == tree.file(change.path) && change.accepted == list.entry(change.path))
        #expect((change.kind == .removed) == (change.file == nil))
        #expect([.added, .skipped].contains(change.kind) == (change.accepted == nil))
      }
      // What is accepted as it is differs no more.
      let now = AcceptedManifests(files.map { M.entry($0.0, $0.1) })
      #expect(ManifestChange.between(tree, now).isEmpty)
    }
  }

  @Test func theFingerprintIsOfEveryFile() {
    let tree = ManifestTree(files: present)
    #expect(tree.fingerprint == ManifestTree(files: present.reversed()).fingerprint)
    for index in present.indices {
      var other = present
      other[index].identity = Fixture.otherFile
      #expect(ManifestTree(files: other).fingerprint != tree.fingerprint)
      other.remove(at: index)
      #expect(ManifestTree(files: other).fingerprint != tree.fingerprint)
    }
  }

  @Test func anEntryTakesThePlaceOfTheOneBefore() {
    let list = AcceptedManifests(accepted, version: "v1", revision: 4)
    let next = list.replacing(with: [M.entry("a.yaml", 9), M.entry("n.yaml", 5)], without: ["z.json"])
    #expect(next.entries.map(\.path) == ["a.yaml", "m/b.yaml", "n.yaml"])
    #expect(next.entry("a.yaml")?.digest == M.digest(9) && next.version == "v1" && next.revision == 4)
  }
}
