import NodePasswordCore

/// The baseline's list as text, in a file of its own.
package enum AcceptedManifestsDocument {
  package static let title = "nodepassd-manifests"
  /// Bytes; more than any list of as many files as are looked at.
  package static let sizeLimit = 16 << 20
  private static let none = "-"
  private static let copy = "copy"
  private static let hashOnly = "hash-only"

  package static func encode(_ accepted: AcceptedManifests) -> String {
    CheckedLines.encode(
      title,
      [["version", accepted.version ?? none, accepted.place ?? none]]
        + accepted.entries.map { entry in
          [
            "file", entry.path, entry.digest?.hex ?? none, "\(entry.size)", String(entry.mode, radix: 8),
            RFC3339.text(entry.acceptedAt), entry.origin.rawValue, entry.hasCopy ? copy : hashOnly,
          ]
        })
  }

  package static func decode(_ text: String) throws(CheckedLines.Damage) -> AcceptedManifests {
    let rows = try CheckedLines.decode(title, text)
    guard let head = rows.first, 2...3 ~= head.count, head[0] == "version" else {
      throw CheckedLines.Damage(line: 2, "names no version")
    }
    var entries: [AcceptedManifests.Entry] = []
    entries.reserveCapacity(rows.count)
    for (index, row) in rows.enumerated().dropFirst() {
      guard let entry = entry(row), entries.last.map({ $0.path < entry.path }) ?? true else {
        throw CheckedLines.Damage(line: index + 2, "is no file's, or not in its place")
      }
      entries.append(entry)
    }
    return AcceptedManifests(
      entries, version: head[1] == none ? nil : head[1], place: head.count == 3 && head[2] != none ? head[2] : nil,
      revision: revision(text))
  }

  /// Of exactly this text.
  package static func revision(_ text: String) -> UInt64 { FNV1a.digest(text.utf8) }

  private static func entry(_ row: [String]) -> AcceptedManifests.Entry? {
    guard row.count == 8, row[0] == "file", isPath(row[1]),
      let size = CheckedLines.number(row[3]).flatMap(Int64.init(exactly:)),
      let mode = CheckedLines.number(row[4], radix: 8).flatMap(UInt16.init(exactly:)), mode <= 0o7777,
      let time = RFC3339.parse(row[5]),
      let origin = AcceptedManifests.Origin(rawValue: row[6]), [copy, hashOnly].contains(row[7])
    else { return nil }
    let digest = ManifestDigest(hex: row[2])
    guard digest != nil || row[2] == none, digest != nil || row[7] == hashOnly else { return nil }
    return AcceptedManifests.Entry(
      path: row[1], digest: digest, size: size, mode: mode, acceptedAt: time, origin: origin, hasCopy: row[7] == copy)
  }

  /// Below the directory, and nowhere else.
  private static func isPath(_ path: String) -> Bool {
    !path.isEmpty
      && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && $0 != "." && $0 != ".."
      }
  }
}
