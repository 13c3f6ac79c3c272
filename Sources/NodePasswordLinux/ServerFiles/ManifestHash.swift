import Crypto
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// SHA-256 of files, a piece at a time.
enum ManifestHash {
  private static let pieceSize = 64 << 10
  /// How often a file that changes while it is read is read again.
  private static let readLimit = 3

  static func digest(of bytes: SecretBytes) -> ManifestDigest {
    bytes.withBytes { digest(SHA256.hash(data: $0)) }
  }

  private static func digest(_ hash: SHA256.Digest) -> ManifestDigest {
    guard let digest = ManifestDigest(bytes: Array(hash)) else { preconditionFailure("SHA-256 has 32 bytes") }
    return digest
  }

  /// With the identity that the file had all the while; `nil`: it changes again and again.
  static func digest(
    of name: String, in directory: Descriptor, at place: String, followingLink: Bool
  ) -> (Observed<ManifestDigest>, FileIdentity)? {
    for _ in 0..<readLimit {
      let file: Descriptor
      switch Descriptor.open(name, in: directory, O_RDONLY, followingLink: followingLink) {
      case .success(let opened): file = opened
      case .failure(let error):
        guard case .success(let status) = directory.status(of: name) else { return nil }
        return (.unknown(error.obstacle(at: place)), FileIdentity(status))
      }
      guard case .success(let before) = file.status() else { continue }
      guard FileKind(before) == .regular else {
        return (.unknown(Obstacle(.malformed, at: place, "it is not a regular file")), FileIdentity(before))
      }
      guard Int64(before.st_size) <= ManifestTree.sizeLimit else {
        let words = "it is larger than \(ManifestTree.sizeLimit >> 20) MiB"
        return (.unknown(Obstacle(.tooLarge, at: place, words)), FileIdentity(before))
      }
      switch hash(file) {
      case .failure(let error): return (.unknown(error.obstacle(at: place)), FileIdentity(before))
      case .success(let digest):
        guard case .success(let after) = file.status(), FileIdentity(before) == FileIdentity(after) else { continue }
        return (.present(digest), FileIdentity(after))
      }
    }
    return nil
  }

  private static func hash(_ file: Descriptor) -> Result<ManifestDigest, SystemError> {
    var hasher = SHA256()
    var offset: off_t = 0
    return withUnsafeTemporaryAllocation(byteCount: pieceSize, alignment: 16) { buffer in
      // What grows meanwhile is another file by then.
      while offset <= ManifestTree.sizeLimit {
        let count = pread(file.number, buffer.baseAddress, buffer.count, offset)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { return .failure(SystemError(code: errno)) }
        if count == 0 { break }
        hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        offset += off_t(count)
      }
      return .success(digest(hasher.finalize()))
    }
  }
}
