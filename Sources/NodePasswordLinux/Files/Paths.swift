import Glibc
import NodePasswordCore
import SystemPackage

/// Where everything lies, below a root that is `/` but for demonstrations and tests.
package struct Paths: Hashable, Sendable {
  private let prefix: String

  /// - Parameter root: a directory; `/` for the machine itself.
  package init(root: String) {
    // Where the verb was started is where a relative path is meant from.
    var prefix = root.hasPrefix("/") ? root : Self.workingDirectory + "/" + root
    while prefix.hasSuffix("/") { prefix.removeLast() }
    self.prefix = prefix
  }

  private static var workingDirectory: String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }

  /// `path`, which starts with `/`, below the root.
  package func absolute(_ path: String) -> String { prefix + path }

  package var stateDirectory: String { absolute("/var/lib/nodepassd") }
  package var runtimeDirectory: String { absolute("/run/nodepassd") }
  package var escrow: String { absolute("/var/lib/nodepassd/escrow") }
  package var acts: String { absolute("/var/lib/nodepassd/acts") }
  package var ledgerMark: String { absolute("/var/lib/nodepassd/ledger-mark") }
  /// A directory.
  package var reserve: String { absolute("/var/lib/nodepassd/reserve") }
  /// A directory: the baseline.
  package var manifests: String { absolute(Self.manifestBaseline) }
  package var manifestCopies: String { manifests + "/copies" }
  package var displacedManifests: String { manifests + "/displaced" }
  package var manifestList: String { manifests + "/list" }
  package var lastGoodPolicy: String { absolute("/var/lib/nodepassd/policy") }
  package var policy: String { absolute("/etc/nodepassd/policy.yaml") }
  package var policyDropIns: String { absolute("/etc/nodepassd/policy.d") }
  package var policyDirectory: String { absolute("/etc/nodepassd") }
  package var statusFile: String { absolute("/run/nodepassd/status.json") }
  package var lockFile: String { absolute("/run/nodepassd/lock") }

  /// As the machine knows it.
  static let manifestBaseline = "/var/lib/nodepassd/manifests"

  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

/// A path in two parts, since files are changed relative to their open directory: nobody can put another directory in
/// its place half way.
struct SplitPath: Hashable, Sendable {
  let directory: String
  let name: String

  init(_ path: String) {
    guard let index = path.lastIndex(of: "/") else {
      directory = "."
      name = path
      return
    }
    directory = index == path.startIndex ? "/" : String(path[..<index])
    name = String(path[path.index(after: index)...])
  }
}

extension Obstacle {
  /// An error of the operating system at a place.
  package static func system(_ code: Int32, at place: String) -> Obstacle {
    let kind: Kind =
      switch code {
      case EACCES, EPERM: .permissionDenied
      case ENOSPC, EDQUOT: .noSpace
      case EROFS: .readOnly
      default: .inputOutput
      }
    return Obstacle(kind, at: place, Errno(rawValue: code).description)
  }
}

extension timespec {
  /// Nanoseconds since 1970, as far as they can be counted (1677 to 2262): file systems hold later times, and a broken
  /// clock writes them.
  package var saturatedNanoseconds: Int64 {
    let (whole, isTooMuch) = Int64(tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isMore) = whole.addingReportingOverflow(Int64(tv_nsec))
    return isTooMuch || isMore ? (tv_sec < 0 ? .min : .max) : sum
  }
}

extension FileIdentity {
  init(_ status: stat) {
    self.init(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
      changeTime: status.st_ctim.saturatedNanoseconds,
      size: Int64(status.st_size))
  }
}
