import NodePasswordCore

/// Whose home is where, by `/etc/passwd` alone: no lookup may ask the network.
enum UserHome {
  /// - Parameter user: a name or a number, as `User=` has it. Unknown where the file does not list that user.
  static func find(of user: String, root: String) -> Observed<String> {
    let path = "/etc/passwd"
    switch FactFile.read(root + path) {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .absent: break
    case .present(let bytes):
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        // Name, password, UID, GID, comment, home, shell (passwd(5)).
        let fields = line.split(separator: ":", omittingEmptySubsequences: false)
        if fields.count > 5, fields[0] == user || fields[2] == user { return .present(String(fields[5])) }
      }
    }
    return .unknown(Obstacle(.notConfigured, at: path, "it does not list the user “\(user)”, whose home counts"))
  }
}
