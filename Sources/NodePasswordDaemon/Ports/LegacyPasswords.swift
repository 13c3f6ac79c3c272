import NodePasswordCore

/// `cred/node-passwd` below the server's directory (k3s-facts 2.1), on K3s up to 1.19, and whatever is left of it later.
///
/// K3s rewrites the whole file without a lock: it reads, adds a row, writes `node-passwd.tmp` and renames that. Whoever
/// changes the file beside it may overwrite, and be overwritten; a look that comes after tells what is missing.
package protocol LegacyPasswords: Sendable {
  /// Absent: there is no such file. `.malformed` where something else lies there, `.tooLarge` beyond
  /// `LegacyPasswordFile.sizeLimit`.
  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<LegacyReading>>)

  /// Makes the change, and puts back what `LegacyReading.displaced` counts. All other rows stay byte for byte as they are,
  /// and rows that K3s writes meanwhile win. Mode 0600, the owner is kept, law L7 holds.
  ///
  /// - Returns: `.conflict` where the file is not the one that was expected, where another writer was faster each time, or
  ///   wrote the very row that was to be written. Nothing is lost then.
  func edit(_ edit: LegacyRowEdit, of installation: Installation, _ completion: @escaping Completion<FileIdentity>)

  /// Removes the file, and overwrites what was in it. `.conflict` where it is another by now.
  func remove(_ identity: FileIdentity, of installation: Installation, _ completion: @escaping Completion<Void>)

  /// Removes what a crash of an earlier run left beside the file, as far as no row would be lost with it. Asked for only
  /// where the policy lets us write there (law L9).
  func sweepLeftovers(of installation: Installation)
}

package struct LegacyReading: Sendable {
  package var identity: FileIdentity
  package var file: LegacyPasswordFile
  /// Rows that a change of ours pushed aside together with the file that another writer had just written, and that are not
  /// in the file now.
  package var displaced: Int

  package init(identity: FileIdentity, file: LegacyPasswordFile, displaced: Int = 0) {
    self.identity = identity
    self.file = file
    self.displaced = displaced
  }
}

package struct LegacyRowEdit: Sendable {
  package var change: LegacyChange
  package var order: LegacyRowOrder
  package var expectation: Action.FileExpectation

  package init(_ change: LegacyChange, _ order: LegacyRowOrder, over expectation: Action.FileExpectation) {
    self.change = change
    self.order = order
    self.expectation = expectation
  }
}
