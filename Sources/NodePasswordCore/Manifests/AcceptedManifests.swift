/// The baseline: which manifests were accepted, when and why.
package struct AcceptedManifests: Hashable, Sendable {
  /// Bytes; what is larger has a hash and no copy.
  package static let copyLimit: Int64 = 256 << 10
  /// Bytes of all copies together.
  package static let copyTotalLimit: Int64 = 32 << 20

  package enum Origin: String, CaseIterable, Hashable, Sendable {
    /// There was no baseline: what was there was taken on trust.
    case firstLook = "first-look"
    /// The server's start rewrites what it brings (k3s-facts 4).
    case serverStart = "server-start"
    case versionChange = "version-change"
    /// `--disable` removes files.
    case disabled
    case person
  }

  package struct Entry: Hashable, Sendable {
    package var path: String
    /// `nil`: it could not be read, so only that it is there was accepted.
    package var digest: ManifestDigest?
    /// Bytes.
    package var size: Int64
    /// Permission bits.
    package var mode: UInt16
    package var acceptedAt: WallTime
    package var origin: Origin
    /// There is a private copy to restore it from.
    package var hasCopy: Bool

    package init(
      path: String, digest: ManifestDigest?, size: Int64, mode: UInt16, acceptedAt: WallTime, origin: Origin,
      hasCopy: Bool
    ) {
      self.path = path
      self.digest = digest
      self.size = size
      self.mode = mode
      self.acceptedAt = acceptedAt
      self.origin = origin
      self.hasCopy = hasCopy
    }
  }

  /// By path, each once.
  package private(set) var entries: [Entry]
  /// The version of Kubernetes that these were accepted under; `nil`: not known then.
  package var version: String?
  /// Whose manifests these are, by `place(of:)`; `nil`: a list of before this was written down.
  package var place: String?
  /// Of the list as it was read: what is written over it must have seen this one.
  package var revision: UInt64?

  package init(
    _ entries: [Entry] = [], version: String? = nil, place: String? = nil, revision: UInt64? = nil
  ) {
    self.place = place
    var byPath: [String: Entry] = [:]
    for entry in entries { byPath[entry.path] = entry }
    self.entries = byPath.values.sorted { $0.path < $1.path }
    self.version = version
    self.revision = revision
  }

  package func entry(_ path: String) -> Entry? { entries.element(with: path, by: \.path) }

  /// The same with these entries in the place of those of their paths, and without `gone`.
  package func replacing(with new: [Entry], without gone: Set<String>) -> AcceptedManifests {
    AcceptedManifests(
      entries.filter { !gone.contains($0.path) } + new, version: version, place: place, revision: revision)
  }

  /// The product and its data directory, told apart.
  package static func place(of installation: Installation) -> String {
    String(FNV1a.digest("\(installation.distribution.rawValue) \(installation.dataDirectory)".utf8), radix: 16)
  }

  /// Another product's manifests, or those of another data directory, are nothing to hold these against.
  package func objection(in installation: Installation) -> Obstacle? {
    guard let place, place != Self.place(of: installation) else { return nil }
    return Obstacle(
      .foreign, at: "the baseline of the manifests",
      "it is of another product or data directory; `nodepassd manifests accept --anew` begins a new one")
  }
}
