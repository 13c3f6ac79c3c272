import NodePasswordCore

/// The node password's file, and the stray one that K3s would put over it.
package protocol PasswordFiles: Sendable {
  /// Says where the files lie; called before they are read, whenever the installation was looked at.
  func locate(_ installation: Installation)

  /// Removes what a crash of an earlier run left beside the files, under our own temporary names alone: a password perhaps.
  /// Asked for only where the policy lets us write there (law L9); what cannot be removed waits for a later run.
  func sweepLeftovers(of installation: Installation)

  /// Reads the file without following a link in its last part, except one that is root's to a file that is root's.
  func read(_ place: PasswordFilePlace, _ completion: @escaping Completion<Observed<PasswordFileReading>>)

  /// Puts `password` and a newline into the password file as law L7 says: temp file in the same directory, write, fsync,
  /// rename, fsync of the directory. Directories that are missing are made as K3s makes them (0755). `.absent` never
  /// replaces a file that has appeared meanwhile; `.exactly` never replaces another file than that one.
  /// Answers the identity of the file that now lies there, or `.conflict` where the expectation does not hold.
  func restore(
    _ password: NodePassword, over expectation: Action.FileExpectation, _ completion: @escaping Completion<FileIdentity>
  )

  /// Mode 0600 and the right owner. `.conflict` where the file is another by now.
  func tighten(_ identity: FileIdentity, _ completion: @escaping Completion<FileIdentity>)

  /// Removes the file and syncs its directory. `.conflict` where the file is another by now.
  func remove(_ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping Completion<Void>)
}

package enum PasswordFilePlace: String, Hashable, Sendable, CaseIterable {
  /// `/etc/rancher/node/password` (k3s-facts 1.1).
  case node
  /// `<data-dir>/agent/node-password.txt` (k3s-facts 1.2).
  case stray
}

/// A password file as read: its facts, and its password where it holds one.
package struct PasswordFileReading: Sendable {
  package enum Contents: Sendable {
    /// Outer white space trimmed, as K3s trims it (k3s-facts 1.1).
    case password(NodePassword)
    case empty
    case malformed(PasswordFileFacts.Malformation)
    /// It belongs to somebody else and may not be opened; its owner can be seen and changed all the same.
    case unreadable
  }

  package var identity: FileIdentity
  package var contents: Contents
  package var isExposed: Bool
  package var isTrustedLink: Bool
  /// Of contents that are no password as a whole: the first line, where that alone would be one (something was appended
  /// by hand). Kept as a candidate before the file is touched, never more than that.
  package var salvage: NodePassword?

  package init(
    identity: FileIdentity, contents: Contents, isExposed: Bool, isTrustedLink: Bool, salvage: NodePassword? = nil
  ) {
    self.identity = identity
    self.contents = contents
    self.isExposed = isExposed
    self.isTrustedLink = isTrustedLink
    self.salvage = salvage
  }

  package var password: NodePassword? {
    if case .password(let password) = contents { password } else { nil }
  }
}
