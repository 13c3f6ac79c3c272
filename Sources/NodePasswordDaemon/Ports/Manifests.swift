import NodePasswordCore

/// The files below `<data-dir>/server/manifests`, as K3s walks them (k3s-facts 4). Their contents may be secret: they are
/// handed over as such, and by name and digest alone to whoever decides.
package protocol Manifests: Sendable {
  /// Absent: there is no such directory. Unknown as a whole where it cannot be listed, or holds more than could be meant.
  /// A file that is what it was when it was last looked at is not read again.
  func look(_ installation: Installation, _ completion: @escaping Completion<Observed<ManifestTree>>)

  /// Removes what a crash of an earlier run left there under our own temporary names; everything of it was kept before.
  /// Asked for only where the policy lets us write there (law L9).
  func sweepLeftovers(of installation: Installation)

  /// The contents of exactly this file; `.conflict` where it is another by now, or none.
  func read(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<SecretBytes>)

  /// Puts these contents there as law L7 says, as a new file with a time of its own: K3s looks only at files whose
  /// modification time is another. Folders that are missing are made (0700); nothing is written through a link.
  /// `.conflict` where the expectation does not hold.
  ///
  /// - Parameter mode: of a file that is not there yet.
  func write(
    _ bytes: SecretBytes, to path: String, mode: UInt16, over expectation: Action.FileExpectation,
    _ installation: Installation, _ completion: @escaping Completion<FileIdentity>)

  /// Removes exactly this file; `.conflict` where it is another by now.
  func remove(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<Void>)
}

/// What was accepted, below `/var/lib/nodepassd/manifests`: a list, private copies by digest, and what a restore displaced.
package protocol ManifestBaseline: Sendable {
  /// Absent: nothing was ever accepted. `.malformed`: it is damaged, and nobody's to make anew but a person's.
  func load(_ completion: @escaping Completion<Observed<AcceptedManifests>>)

  /// Keeps a copy. It lasts once a list that names it is saved. `.conflict` where the bytes have another digest.
  func keep(_ bytes: SecretBytes, as digest: ManifestDigest, _ completion: @escaping Completion<Void>)

  /// Absent: there is none. `.malformed` where what is there has another digest.
  func copy(of digest: ManifestDigest, _ completion: @escaping Completion<Observed<SecretBytes>>)

  /// Replaces the list by one that was made from the list of `accepted.revision`, durably and with all copies that it
  /// names; copies that no list names any more go. `.conflict` where another list is there by now.
  ///
  /// - Parameter settingAside: what is there is damaged; it gets a name of its own.
  func save(
    _ accepted: AcceptedManifests, settingAside: Bool, _ completion: @escaping Completion<Void>)

  /// Keeps what is about to be displaced or removed, durably, for a person; answers where it lies now. `.noSpace` where so
  /// much is kept already that somebody has to look first.
  func keepDisplaced(_ bytes: SecretBytes, of path: String, _ completion: @escaping Completion<String>)
}
