import Glibc
import SystemPackage

/// Plain files, as anybody would write them; the daemon's own way is its business.
enum DemoFiles {
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Permission bits; `nil` where nothing is there.
  static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
  }

  static func makeDirectories(_ path: String) throws {
    var made = ""
    for part in path.split(separator: "/") {
      made += "/" + part
      if mkdir(made, 0o755) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
    }
  }

  static func write(_ text: String, to path: String, mode: UInt16) throws {
    let file = try FileDescriptor.open(
      FilePath(path), .writeOnly, options: [.create, .truncate], permissions: FilePermissions(rawValue: CModeT(mode)))
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
  }

  static func read(_ path: String) throws -> String {
    let file = try FileDescriptor.open(FilePath(path), .readOnly)
    return try file.closeAfter {
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      var text: [UInt8] = []
      while true {
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
        if count == 0 { return String(decoding: text, as: UTF8.self) }
        text += bytes[..<count]
      }
    }
  }

  /// Removes a folder with all that is in it, like `rm -rf`; follows no links.
  static func removeAll(_ path: String) {
    guard let directory = opendir(path) else {
      unlink(path)
      return
    }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      let child = path + "/" + name
      if entry.pointee.d_type == UInt8(DT_DIR) { removeAll(child) } else { unlink(child) }
    }
    closedir(directory)
    rmdir(path)
  }
}

enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  static func encode(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var bits = group.reduce(0) { $0 << 8 | Int($1) }
      bits <<= 8 * (3 - group.count)
      for position in 0..<4 {
        result.append(position <= group.count ? alphabet[(bits >> (18 - 6 * position)) & 63] : "=")
      }
    }
    return result
  }
}
