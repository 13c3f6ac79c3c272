import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// A damaged or foreign escrow under a second name beside its own, so that what takes its place overwrites nothing.
struct SetAside {
  let path: String
  let name: String
  /// It could only be moved: until another takes its place nothing has its name.
  let isMoved: Bool

  /// `nil`: there is nothing to set aside.
  static func make(of path: String, atMost limit: Int) -> Result<SetAside?, Obstacle> {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      return errno == ENOENT || errno == ENOTDIR ? .success(nil) : .failure(.system(errno, at: path))
    }
    for number in 1...limit {
      let name = "\(path).damaged-\(number)"
      if FileKind(status) == .regular {
        if link(path, name) == 0 { return .success(SetAside(path: path, name: name, isMoved: false)) }
        if errno == EEXIST { continue }
      }
      // A link, a directory, or a file system without second names.
      var other = stat()
      if lstat(name, &other) == 0 { continue }
      guard rename(path, name) == 0 else { return .failure(.system(errno, at: path)) }
      return .success(SetAside(path: path, name: name, isMoved: true))
    }
    return .failure(
      Obstacle(
        .busy, at: path, "\(limit) damaged escrows lie beside it already; look at them and move them away"))
  }

  /// Nothing has taken its place.
  func takeBack() {
    if isMoved { rename(name, path) } else { unlink(name) }
  }
}
