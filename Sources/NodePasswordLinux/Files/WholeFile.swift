import Glibc
import NodePasswordCore

extension Observed {
  /// What a few tries find; `nil` of one: it changed while it was read.
  static func reading(_ place: String, _ once: () -> Observed?) -> Observed {
    for _ in 0..<5 {
      if let answer = once() { return answer }
    }
    return .unknown(Obstacle(.conflict, at: place, "it changes while it is read"))
  }
}

/// Reads a small file whole, whatever lies there instead of it.
enum WholeFile {
  /// - Parameter limit: bytes; more is `.tooLarge` and is not read.
  static func read(_ path: String, limit: Int, followingLink: Bool = true) -> Observed<[UInt8]> {
    let file: Descriptor
    switch Descriptor.open(path, O_RDONLY, followingLink: followingLink) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .absent
    case .failure(let error) where error.code == ELOOP:
      return .unknown(Obstacle(.malformed, at: path, "it is a symbolic link"))
    case .failure(let error): return .unknown(error.obstacle(at: path))
    }
    switch file.status() {
    case .failure(let error): return .unknown(error.obstacle(at: path))
    case .success(let status):
      switch FileKind(status) {
      case .regular: break
      case .directory: return .unknown(Obstacle(.malformed, at: path, "it is a directory"))
      case .symbolicLink, .special: return .unknown(Obstacle(.malformed, at: path, "it is not a regular file"))
      }
      guard Int(status.st_size) <= limit else {
        return .unknown(Obstacle(.tooLarge, at: path, "it is larger than \(limit) bytes"))
      }
    }
    switch file.read(limit: limit) {
    case .failure(let error): return .unknown(error.obstacle(at: path))
    case .success(let bytes):
      guard bytes.count <= limit else {
        return .unknown(Obstacle(.tooLarge, at: path, "it is larger than \(limit) bytes"))
      }
      return .present(bytes)
    }
  }

  /// The same, as text without outer white space; `nil` where it cannot be read or is no UTF-8.
  static func word(_ path: String, limit: Int = 4096) -> String? {
    guard case .present(let bytes) = read(path, limit: limit), let text = String(validating: bytes, as: UTF8.self)
    else {
      return nil
    }
    let word = text.prefix { $0 != "\n" && $0 != "\0" }.drop { $0 == " " }
    return word.isEmpty ? nil : String(word)
  }
}
