/// One Secret at one version. A delete or an update names this, never a pattern (law L2).
package struct SecretIdentity: Hashable, Sendable, Codable {
  package let name: String
  package let uid: String
  package let resourceVersion: String

  package init(name: String, uid: String, resourceVersion: String) {
    self.name = name
    self.uid = uid
    self.resourceVersion = resourceVersion
  }
}

/// One file at one moment: while this is equal, nobody has written to the file or put another in its place, but for a
/// write of the same length within one tick of the kernel's clock (at most 4 ms before Linux 6.13).
///
/// The change time moves on every write, on `chmod` and on a rename over the name, and no unprivileged call sets it back.
package struct FileIdentity: Hashable, Sendable, Codable {
  package let device: UInt64
  package let inode: UInt64
  /// Nanoseconds since 1970.
  package let changeTime: Int64
  /// Bytes.
  package let size: Int64

  package init(device: UInt64, inode: UInt64, changeTime: Int64, size: Int64) {
    self.device = device
    self.inode = inode
    self.changeTime = changeTime
    self.size = size
  }
}

/// Public contents, told apart; no proof against somebody who looks for two that are alike.
package struct ContentDigest: Hashable, Sendable {
  package let value: UInt64

  package init(_ value: UInt64) { self.value = value }
}

/// What one pass is about.
package enum Subject: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The files of this machine: password, stray predecessor, escrow, certificates. Looked at without any network.
  case machine
  /// The Node of this name and its node-password Secret.
  case node(NodeName)
  /// All Nodes and node-password Secrets beside each other, and the ledger.
  case cluster
  /// Files below `server/` of this machine's data directory, where it has the server role.
  case serverFiles(ServerFiles)

  /// What lies under `server/`, by what is looked at together.
  package enum ServerFiles: String, CaseIterable, Hashable, Sendable {
    /// `cred/node-passwd`, of K3s 1.19 and before (k3s-facts 2.1).
    case legacyFile = "legacy-file"
    /// Tokens, `cred/passwd`, and who may read what lies in `cred` (k3s-facts 3).
    case credentials
    /// `manifests` (k3s-facts 4).
    case manifests
  }

  package static let legacyFile = Subject.serverFiles(.legacyFile)
  package static let credentials = Subject.serverFiles(.credentials)
  package static let manifests = Subject.serverFiles(.manifests)

  package var description: String {
    switch self {
    case .machine: "machine"
    case .node(let name): "node/\(name)"
    case .cluster: "cluster"
    case .serverFiles(let files): files.rawValue
    }
  }

  /// The Node that it is about.
  package var nodeName: NodeName? {
    if case .node(let name) = self { name } else { nil }
  }

  package static func < (left: Subject, right: Subject) -> Bool { left.description < right.description }
}

/// The number of a pass, unique within a run of the daemon; the same number is on every record of that pass.
package struct PassID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64

  package init(_ rawValue: UInt64) { self.rawValue = rawValue }

  package var description: String { String(rawValue) }

  package static func < (left: PassID, right: PassID) -> Bool { left.rawValue < right.rawValue }
}
