import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// Files under our own temporary names beside `cred/node-passwd`: drafts of ours, and what a change pushed aside.
struct LegacyLeftovers {
  let path: String
  let directory: Descriptor

  private var names: [String] {
    let split = SplitPath(path)
    let prefix = AtomicFile.temporaryPrefix + split.name + "-"
    return (FactFile.names(in: split.directory).value ?? []).filter { $0.hasPrefix(prefix) }
  }

  private func isDraft(_ name: String) -> Bool {
    if case .success(let status) = directory.status(of: name) { status.isDraft } else { false }
  }

  func removeDrafts() {
    for name in names where isDraft(name) { unlinkat(directory.number, name, 0) }
  }

  /// What cannot be read stays where it is: it may hold a row.
  func aside() -> [(name: String, file: LegacyPasswordFile)] {
    names.filter { !isDraft($0) }.compactMap { name in
      LegacyFileSnapshot.read(name, in: directory, place: path).value.map { (name, $0.file) }
    }
  }

  /// No row would be lost with it.
  func isKept(_ aside: LegacyPasswordFile, by file: LegacyPasswordFile) -> Bool {
    LegacyRowChanges.rows(of: aside, missingIn: file).isEmpty
  }

  /// Of all that was pushed aside, what `file` lacks.
  func rows(missingIn file: LegacyPasswordFile) -> LegacyRowChanges {
    aside().reduce(LegacyRowChanges()) { $0 + .rows(of: $1.file, missingIn: file) }
  }
}
