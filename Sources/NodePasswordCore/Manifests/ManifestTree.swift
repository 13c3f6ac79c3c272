/// One file below `server/manifests` that counts for K3s.
package struct ManifestFile: Hashable, Sendable {
  /// Below `server/manifests`, without a slash before it.
  package var path: String
  /// Never absent. Unknown: it is no regular file, too large, or could not be read.
  package var contents: Observed<ManifestDigest>
  /// Of the file that a link leads to, where it is one.
  package var identity: FileIdentity
  /// Permission bits.
  package var mode: UInt16
  /// It is a link, or lies behind one: read, and never written (law L7).
  package var isBehindLink: Bool

  package init(
    path: String, contents: Observed<ManifestDigest>, identity: FileIdentity, mode: UInt16 = 0o600,
    isBehindLink: Bool = false
  ) {
    self.path = path
    self.contents = contents
    self.identity = identity
    self.mode = mode
    self.isBehindLink = isBehindLink
  }

  package var digest: ManifestDigest? { contents.value }
}

/// What lies below `server/manifests` as K3s would walk it.
package struct ManifestTree: Hashable, Sendable {
  /// More files than this are no answer.
  package static let fileLimit = 5_000
  /// Bytes; a larger file is not read, and what it holds is unknown.
  package static let sizeLimit: Int64 = 4 << 20
  /// Bytes of all files together that are read in one look; what is beyond is unknown.
  package static let totalLimit: Int64 = 256 << 20

  /// By path, each once.
  package var files: [ManifestFile]
  /// Folders that could not be listed, each with a slash after it: what lies in them is unknown.
  package var unseen: [String: Obstacle]

  package init(files: [ManifestFile] = [], unseen: [String: Obstacle] = [:]) {
    self.files = files.sorted { $0.path < $1.path }
    self.unseen = unseen
  }

  /// Whether that path could be looked at, there or not.
  package func couldSee(_ path: String) -> Bool {
    unseen.isEmpty || !unseen.keys.contains { path.hasPrefix($0) }
  }

  package func file(_ path: String) -> ManifestFile? { files.element(with: path, by: \.path) }

  /// The same number for the same files; another as soon as one of them is another.
  package var fingerprint: ContentDigest {
    var hasher: [UInt64] = []
    hasher.reserveCapacity(files.count)
    for file in files {
      var hash = FNV1a.digest(file.path.utf8)
      for part in [file.identity.inode, UInt64(bitPattern: file.identity.changeTime), file.identity.device] {
        hash = (hash ^ part) &* 0x0000_0100_0000_01b3
      }
      hasher.append((hash ^ UInt64(bitPattern: file.identity.size)) &* 0x0000_0100_0000_01b3)
    }
    return ContentDigest(hasher.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1) &* 0x0000_0100_0000_01b3 })
  }

  /// Each thing in it that a later look may show; as far as there is room to tell. That a file is none, or too large, is as
  /// it is.
  package var obstacles: [Obstacle] {
    let limit = 5
    let ofFiles = files.lazy.compactMap(\.contents.obstacle).filter { ![.malformed, .tooLarge].contains($0.kind) }
    return unseen.sorted { $0.key < $1.key }.prefix(limit).map(\.value) + ofFiles.prefix(limit)
  }
}
