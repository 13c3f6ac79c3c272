import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// The baseline's list as text.
@Suite struct AcceptedManifestsDocumentTests {
  private static let names = [
    "a.yaml", "sub/b c.yml", "ü/%.json", "line\nbreak.yaml", "-", "%20.yaml", "\u{1b}[31m.yaml",
  ]

  private static func random(_ random: inout SeededGenerator) -> AcceptedManifests {
    let entries = names.filter { _ in Bool.random(using: &random) }.map { name in
      let digest = ManifestDigest(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
      let isReadable = Bool.random(using: &random)
      return AcceptedManifests.Entry(
        path: name, digest: isReadable ? digest : nil, size: Int64.random(in: 0...Int64.max, using: &random),
        mode: UInt16.random(in: 0...0o7777, using: &random),
        acceptedAt: WallTime(seconds: Int64.random(in: 0...4_000_000_000, using: &random)),
        origin: AcceptedManifests.Origin.allCases.randomElement(using: &random) ?? .person,
        hasCopy: isReadable && Bool.random(using: &random))
    }
    return AcceptedManifests(
      entries, version: Bool.random(using: &random) ? "v1.34.2+k3s1" : nil,
      place: Bool.random(using: &random) ? "1f" : nil)
  }

  @Test func whatIsWrittenIsRead() throws {
    var random = SeededGenerator(seed: 5)
    for _ in 0..<500 {
      let list = Self.random(&random)
      let text = AcceptedManifestsDocument.encode(list)
      let read = try AcceptedManifestsDocument.decode(text)
      #expect(read.entries == list.entries && read.version == list.version)
      #expect(read.revision == AcceptedManifestsDocument.revision(text))
    }
  }

  @Test func everyChangeIsNoticed() throws {
    var random = SeededGenerator(seed: 6)
    let text = Array(AcceptedManifestsDocument.encode(Self.random(&random)).utf8)
    for index in text.indices {
      for bit in 0..<8 {
        var damaged = text
        damaged[index] ^= 1 << UInt8(bit)
        guard let words = String(validating: damaged, as: UTF8.self) else { continue }
        #expect(throws: CheckedLines.Damage.self, "bit \(bit) of byte \(index)") {
          try AcceptedManifestsDocument.decode(words)
        }
      }
    }
  }

  /// A whole list that no run of ours has written, with the right checksum.
  @Test(arguments: [
    ["file", "../etc/passwd", "-", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "/etc/passwd", "-", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "a//b.yaml", "-", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "", "-", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "a.yaml", "-", "-1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "a.yaml", "-", "1", "99999", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "a.yaml", "-", "1", "600", "soon", "person", "hash-only"],
    ["file", "a.yaml", "-", "1", "600", "2027-01-15T08:00:00Z", "nobody", "hash-only"],
    ["file", "a.yaml", "-", "1", "600", "2027-01-15T08:00:00Z", "person", "copy"],
    ["file", "a.yaml", "00", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"],
    ["file", "a.yaml"], ["other"],
  ]) func aRowThatIsNoneIsNotTaken(row: [String]) {
    let text = CheckedLines.encode(AcceptedManifestsDocument.title, [["version", "-"], row])
    #expect(throws: CheckedLines.Damage.self) { try AcceptedManifestsDocument.decode(text) }
  }

  @Test func rowsOutOfOrderOrTwiceAreNotTaken() {
    func row(_ path: String) -> [String] {
      ["file", path, "-", "1", "600", "2027-01-15T08:00:00Z", "person", "hash-only"]
    }
    #expect(throws: Never.self) {
      try AcceptedManifestsDocument.decode(
        CheckedLines.encode(AcceptedManifestsDocument.title, [["version", "-"], row("a.yaml"), row("b.yaml")]))
    }
    for paths in [["b.yaml", "a.yaml"], ["a.yaml", "a.yaml"]] {
      let text = CheckedLines.encode(AcceptedManifestsDocument.title, [["version", "-"]] + paths.map(row))
      #expect(throws: CheckedLines.Damage.self) { try AcceptedManifestsDocument.decode(text) }
    }
  }
}
