import Glibc
import NodePasswordCore

/// Walks `server/manifests` as K3s does (k3s-facts 4): all folders, whatever they are called; linked folders, but no link
/// within one of those; names that count and no others. Bounded, whatever lies there.
struct ManifestWalk {
  /// Names in all folders together, and folders within folders.
  static let nameLimit = 50_000
  static let depthLimit = 32

  /// A file as it was read before; while it is the same file, it holds the same.
  typealias Known = [String: ManifestFile]

  private let place: String
  private let known: Known
  /// Nothing is read then.
  private let isForLeftovers: Bool
  private var names = 0
  private var bytes: Int64 = 0
  private(set) var files: [ManifestFile] = []
  private var unseen: [String: Obstacle] = [:]
  /// Under our own temporary names, and not behind a link.
  private var leftovers: [String] = []

  /// - Parameter place: the directory, as the system knows it.
  static func walk(_ place: String, known: Known) -> Observed<ManifestTree> {
    var status = stat()
    guard lstat(place, &status) == 0 else {
      return errno == ENOENT || errno == ENOTDIR ? .absent : .unknown(.system(errno, at: place))
    }
    let isLink = FileKind(status) == .symbolicLink
    let directory: Descriptor
    switch Descriptor.open(place, O_RDONLY | O_DIRECTORY, followingLink: isLink) {
    case .success(let opened): directory = opened
    case .failure(let error) where error.code == ENOENT: return .absent
    case .failure(let error): return .unknown(error.obstacle(at: place))
    }
    var walk = ManifestWalk(place: place, known: known)
    do throws(Obstacle) {
      try walk.list(directory, "", isBehindLink: isLink, depth: 0)
    } catch {
      return .unknown(error)
    }
    return .present(ManifestTree(files: walk.files, unseen: walk.unseen))
  }

  /// What a crash of an earlier run has left there.
  static func leftovers(_ place: String) -> [String] {
    guard case .success(let directory) = Descriptor.open(place, O_RDONLY | O_DIRECTORY) else { return [] }
    var walk = ManifestWalk(place: place, known: [:], isForLeftovers: true)
    // What lies beyond a bound is swept by nobody.
    try? walk.list(directory, "", isBehindLink: false, depth: 0)
    return walk.leftovers
  }

  private init(place: String, known: Known, isForLeftovers: Bool = false) {
    self.isForLeftovers = isForLeftovers
    self.place = place
    self.known = known
  }

  private mutating func list(
    _ directory: Descriptor, _ prefix: String, isBehindLink: Bool, depth: Int
  ) throws(Obstacle) {
    let found: [String]
    switch directory.names(limit: Self.nameLimit - names) {
    case .success(let some?): found = some
    case .success(nil): throw tooMuch("more than \(Self.nameLimit) names")
    case .failure(let error):
      if prefix.isEmpty { throw error.obstacle(at: place) }
      unseen[prefix] = error.obstacle(at: "\(place)/\(prefix)")
      return
    }
    names += found.count
    for name in found {
      let status: stat
      switch directory.status(of: name) {
      case .success(let there): status = there
      // Gone since.
      case .failure(let error) where error.code == ENOENT: continue
      case .failure(let error):
        unseen[prefix + name] = error.obstacle(at: "\(place)/\(prefix)\(name)")
        continue
      }
      switch FileKind(status) {
      case .directory:
        try enter(name, in: directory, prefix, isBehindLink: isBehindLink, followingLink: false, depth)
      case .symbolicLink where isForLeftovers, .special where isForLeftovers: break
      case .regular where isForLeftovers:
        if name.hasPrefix(AtomicFile.temporaryPrefix) { leftovers.append(prefix + name) }
      case .symbolicLink: try follow(name, in: directory, prefix, isBehindLink: isBehindLink, depth)
      case .regular, .special: try take(name, status, in: directory, prefix, isBehindLink: isBehindLink)
      }
    }
  }

  private func tooMuch(_ what: String) -> Obstacle {
    Obstacle(.tooLarge, at: place, "\(what) lie there; that is no folder of manifests")
  }

  private mutating func enter(
    _ name: String, in directory: Descriptor, _ prefix: String, isBehindLink: Bool, followingLink: Bool, _ depth: Int
  ) throws(Obstacle) {
    let path = "\(prefix)\(name)/"
    guard depth < Self.depthLimit else {
      unseen[path] = Obstacle(.tooLarge, at: "\(place)/\(path)", "it lies too deep")
      return
    }
    switch Descriptor.open(name, in: directory, O_RDONLY | O_DIRECTORY, followingLink: followingLink) {
    case .success(let opened): try list(opened, path, isBehindLink: isBehindLink, depth: depth + 1)
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: break
    case .failure(let error): unseen[path] = error.obstacle(at: "\(place)/\(path)")
    }
  }

  /// One that leads nowhere is not there.
  private mutating func follow(
    _ name: String, in directory: Descriptor, _ prefix: String, isBehindLink: Bool, _ depth: Int
  ) throws(Obstacle) {
    var status = stat()
    guard fstatat(directory.number, name, &status, 0) == 0 else { return }
    switch FileKind(status) {
    case .directory:
      guard !isBehindLink else { return }
      try enter(name, in: directory, prefix, isBehindLink: true, followingLink: true, depth)
    default: try take(name, status, in: directory, prefix, isBehindLink: true, isLink: true)
    }
  }

  private mutating func take(
    _ name: String, _ status: stat, in directory: Descriptor, _ prefix: String, isBehindLink: Bool,
    isLink: Bool = false
  ) throws(Obstacle) {
    let path = prefix + name
    guard ManifestName.counts(path) else { return }
    guard files.count < ManifestTree.fileLimit else { throw tooMuch("more than \(ManifestTree.fileLimit) manifests") }
    let identity = FileIdentity(status)
    if var file = known[path], file.identity == identity, file.contents.obstacle == nil {
      file.isBehindLink = isBehindLink
      files.append(file)
      return
    }
    let (contents, final) = contents(name, status, in: directory, path, isLink)
    files.append(
      ManifestFile(
        path: path, contents: contents, identity: final, mode: UInt16(truncatingIfNeeded: status.st_mode & 0o7777),
        isBehindLink: isBehindLink))
  }

  private mutating func contents(
    _ name: String, _ status: stat, in directory: Descriptor, _ path: String, _ isLink: Bool
  ) -> (Observed<ManifestDigest>, FileIdentity) {
    let at = "\(place)/\(path)"
    guard FileKind(status) == .regular else {
      return (.unknown(Obstacle(.malformed, at: at, "it is not a regular file")), FileIdentity(status))
    }
    bytes += Int64(status.st_size)
    guard bytes <= ManifestTree.totalLimit else {
      let words = "the manifests hold more than \(ManifestTree.totalLimit >> 20) MiB together"
      return (.unknown(Obstacle(.tooLarge, at: at, words)), FileIdentity(status))
    }
    return ManifestHash.digest(of: name, in: directory, at: at, followingLink: isLink)
      ?? (.unknown(Obstacle(.conflict, at: at, "it changes while it is read")), FileIdentity(status))
  }
}
