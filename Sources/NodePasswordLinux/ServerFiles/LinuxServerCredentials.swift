import CShims
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// A server's tokens and credentials on the real file system.
package final class LinuxServerCredentials: ServerCredentials {
  /// Bytes of a CA's chain, and of `cred/passwd`, which has a handful of rows.
  private static let authorityLimit = 256 * 1024
  private static let tableLimit = 1 << 20

  private let queue = DispatchQueue(label: "nodepassd.credentials", qos: .utility)
  private let root: String

  package init(paths: Paths) { root = paths.absolute("") }

  package func read(_ installation: Installation, _ completion: @escaping Completion<Observed<CredentialReading>>) {
    let data = installation.dataDirectory
    queue.async { @Sendable [root] in
      completion(.success(ServerDirectory.open(data, root: root).map(Self.reading)))
    }
  }

  package func tighten(
    _ files: [CredentialFile], _ installation: Installation, _ completion: @escaping Completion<Void>
  ) {
    let data = installation.dataDirectory
    queue.async { @Sendable [root] in
      switch ServerDirectory.open(data, root: root) {
      case .absent: completion(.failure(Obstacle(.conflict, at: "\(root)\(data)/server", "the directory is gone")))
      case .unknown(let obstacle): completion(.failure(obstacle))
      case .present(let server):
        let obstacles = files.compactMap { Self.tighten($0, in: server) }
        completion(obstacles.first.map { .failure($0) } ?? .success(()))
      }
    }
  }

  // MARK: Read

  private static func reading(_ server: ServerDirectory) -> CredentialReading {
    var tokens: [TokenPlace: Observed<CredentialReading.Token>] = [:]
    for place in TokenPlace.allCases { tokens[place] = token(place, in: server) }
    return CredentialReading(
      tokens: tokens, table: table(in: server), authority: authority(in: server), files: listing(of: server))
  }

  private static func token(_ place: TokenPlace, in server: ServerDirectory) -> Observed<CredentialReading.Token> {
    server.read(place.rawValue, limit: NodeToken.sizeLimit).map { contents in
      let token = try? server.descriptor.status(of: TokenPlace.server.rawValue).get()
      let isLink = place != .server && contents.isLink && token.map { $0.isSameFile(as: contents.status) } ?? false
      return CredentialReading.Token(
        identity: FileIdentity(contents.status), isLink: isLink, text: contents.bytes)
    }
  }

  private static func table(in server: ServerDirectory) -> Observed<CredentialReading.Table> {
    server.read("cred/passwd", limit: tableLimit).map { contents in
      CredentialReading.Table(identity: FileIdentity(contents.status), text: contents.bytes)
    }
  }

  private static func authority(in server: ServerDirectory) -> Observed<CredentialReading.Authority> {
    let name = "tls/server-ca.crt"
    do throws(Obstacle) {
      guard let contents = try server.read(name, limit: authorityLimit).found() else { return .absent }
      let stored = contents.bytes.withBytes { Array($0) }
      let certificates = try AuthorityPin.certificates(in: stored, at: server.place(name))
      let ends = certificates.compactMap(\.notAfter)
      let facts = AuthorityFacts(
        identity: FileIdentity(contents.status), certificates: certificates.count, notAfter: ends.min())
      let hashes = try AuthorityPin.hashes(of: certificates, stored: stored, at: server.place(name))
      return .present(CredentialReading.Authority(facts: facts, hashes: hashes))
    } catch {
      return .unknown(error)
    }
  }

  // MARK: Modes

  /// `server/` itself, the tokens, `cred/` and what lies directly in it, and the private keys in `tls/` and `tls/etcd/`.
  private static func listing(of server: ServerDirectory) -> Observed<CredentialListing> {
    var listing = CredentialListing(looked: 0, exposed: [])
    do throws(Obstacle) {
      switch server.descriptor.status() {
      case .failure(let error): throw error.obstacle(at: server.path)
      case .success(let status): look(at: "", status, &listing)
      }
      for name in TokenPlace.allCases.map(\.rawValue) + ["cred"] {
        try look(at: name, named: name, in: server.descriptor, server, &listing)
      }
      if let cred = try directory("cred", in: server) {
        try look(into: cred, "cred", suffix: "", server, &listing)
      }
      var tls = server.descriptor
      for (name, path) in [("tls", "tls"), ("etcd", "tls/etcd")] {
        // One that is a link is an administrator's, and what lies behind it is theirs to close.
        guard case .success(let folder) = Descriptor.open(name, in: tls, O_RDONLY | O_DIRECTORY) else { break }
        try look(into: folder, path, suffix: CredentialFile.keySuffix, server, &listing)
        tls = folder
      }
      return .present(listing)
    } catch {
      return .unknown(error)
    }
  }

  private static func look(
    into folder: Descriptor, _ path: String, suffix: String, _ server: ServerDirectory,
    _ listing: inout CredentialListing
  ) throws(Obstacle) {
    switch folder.someNames(limit: CredentialListing.limit) {
    case .failure(let error): throw error.obstacle(at: server.place(path))
    case .success(let found):
      listing.isCut = listing.isCut || found.isCut
      for name in found.names.sorted() where name.hasSuffix(suffix) && !name.hasPrefix(AtomicFile.temporaryPrefix) {
        try look(at: "\(path)/\(name)", named: name, in: folder, server, &listing)
      }
    }
  }

  private static func directory(_ name: String, in server: ServerDirectory) throws(Obstacle) -> Descriptor? {
    switch Descriptor.open(name, in: server.descriptor, O_RDONLY | O_DIRECTORY) {
    case .success(let directory): return directory
    case .failure(let error) where error.code == ENOENT: return nil
    case .failure(let error) where [ELOOP, ENOTDIR].contains(error.code):
      throw Obstacle(.malformed, at: server.place(name), "it is a link or a file, and not followed")
    case .failure(let error): throw error.obstacle(at: server.place(name))
    }
  }

  private static func look(
    at path: String, named name: String, in directory: Descriptor, _ server: ServerDirectory,
    _ listing: inout CredentialListing
  ) throws(Obstacle) {
    switch directory.status(of: name) {
    case .success(let status): look(at: path, status, &listing)
    // It went between listing and look.
    case .failure(let error) where error.code == ENOENT: return
    case .failure(let error): throw error.obstacle(at: server.place(path))
    }
  }

  /// Links have no mode of their own; sockets and devices are nothing that K3s keeps a credential in.
  private static func look(at path: String, _ status: stat, _ listing: inout CredentialListing) {
    let kind = FileKind(status)
    guard [.regular, .directory].contains(kind) else { return }
    listing.looked += 1
    let file = CredentialFile(
      path: path, identity: FileIdentity(status), mode: status.st_mode & 0o7777, isDirectory: kind == .directory,
      isForeign: status.st_uid != geteuid(), hasOtherNames: kind == .regular && status.st_nlink > 1)
    if file.isForeign || CredentialFile.isTooWide(file.mode) { listing.exposed.append(file) }
  }

  // MARK: Tighten

  /// `nil`: done. By a descriptor that only names the file: what belongs to somebody else may not be ours to open.
  private static func tighten(_ file: CredentialFile, in server: ServerDirectory) -> Obstacle? {
    let place = server.place(file.path)
    let named: Descriptor
    switch name(file.path, in: server) {
    case .success(let found): named = found
    case .failure(let error) where [ENOENT, ENOTDIR, ELOOP].contains(error.code):
      return Obstacle(.conflict, at: place, "\(file.name) is gone")
    case .failure(let error): return error.obstacle(at: place)
    }
    guard case .success(let status) = named.status() else { return .system(errno, at: place) }
    let isDirectory = FileKind(status) == .directory
    let isThis = isDirectory == file.isDirectory && file.isSame(as: FileIdentity(status))
    guard isThis, isDirectory || (FileKind(status) == .regular && status.st_nlink == 1) else {
      return Obstacle(.conflict, at: place, "\(file.name) is another by now")
    }
    if status.st_uid != geteuid(), nodepassd_own(named.number, geteuid(), getegid()) != 0 {
      return .system(errno, at: place)
    }
    guard chmod("/proc/self/fd/\(named.number)", isDirectory ? 0o700 : 0o600) == 0 else {
      return .system(errno, at: place)
    }
    return nil
  }

  /// `server/` may be a link of the administrator's; nothing in it is followed.
  private static func name(_ path: String, in server: ServerDirectory) -> Result<Descriptor, SystemError> {
    var current = server.descriptor
    for part in path.split(separator: "/") {
      switch Descriptor.naming(String(part), in: current) {
      case .failure(let error): return .failure(error)
      case .success(let next): current = next
      }
    }
    return .success(current)
  }
}
