import Glibc
import NodePasswordSimulator

/// `cred/node-passwd` of a server up to 1.19, below a root, as K3s reads and writes it: whole, by its own `.tmp` and a rename.
struct DemoRows: Sendable {
  let path: String

  init(root: String) { path = root + "/var/lib/rancher/k3s/server/cred/node-passwd" }

  /// For the stand-in.
  var file: RowFile {
    RowFile(read: { (try? DemoFiles.read(path)).map { Array($0.utf8) } }) { bytes in
      do {
        try put(String(decoding: bytes, as: UTF8.self))
      } catch {
        DemoOutput.write("  the server could not write node-passwd: \(error)\n")
      }
    }
  }

  var text: String { (try? DemoFiles.read(path)) ?? "" }
  var exists: Bool { DemoFiles.exists(path) }

  func put(_ text: String) throws {
    try DemoFiles.write(text, to: path + ".tmp", mode: 0o600)
    guard rename(path + ".tmp", path) == 0 else { throw DemoFailure("\(path) could not be replaced") }
  }

  /// The password that the last row of this name holds.
  func password(of name: String) -> String? {
    let rows = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    return rows.last { $0.count > 1 && $0[1] == name }.map { String($0[0]) }
  }
}
