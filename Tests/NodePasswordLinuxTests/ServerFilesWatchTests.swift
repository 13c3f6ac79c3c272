import Dispatch
import Foundation
import Glibc
import NodePasswordCore
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// Hints about what lies below `server/`.
@Suite struct ServerFilesWatchTests {
  private let root: PrivateRoot
  private let tree: ServerTree
  private let watch: InotifyWatch
  private let hints = Inbox<Subject>()
  private let policy = Inbox<Void>()

  init() throws {
    root = try PrivateRoot()
    tree = try ServerTree(.k3s, KubernetesVersion(major: 1, minor: 34, patch: 2))
    try tree.write(below: root.path)
    try root.make("/etc/nodepassd")
    watch = InotifyWatch(paths: root.paths)
    watch.onPolicyChange { [policy] in policy.put(()) }
    let registered = DispatchSemaphore(value: 0)
    watch.start { registered.signal() }
    #expect(registered.wait(timeout: .now() + 30) == .success)
    watch.watch(ServerCredentialTests.machine(.k3s, root)) { [hints] subject, _ in hints.put(subject) }
  }

  /// What was said about everything done so far: events come in order, and one of ours ends them.
  private func seen(after change: () throws -> Void) throws -> Set<Subject> {
    try mark()
    _ = hints.drain()
    try change()
    try mark()
    return Set(hints.drain())
  }

  /// One event alone, and its hint.
  private func mark() throws {
    _ = policy.drain()
    try root.write("\(UUID())", "/marker")
    try #require(rename("\(root.path)/marker", "\(root.path)/etc/nodepassd/policy.yaml") == 0)
    try #require(policy.next() != nil)
  }

  private func path(_ name: String) -> String { "\(root.path)\(tree.directory)" + (name.isEmpty ? "" : "/\(name)") }

  private func open(_ name: String) throws { try #require(chmod(path(name), 0o750) == 0) }

  private func move(_ old: String, to new: String) throws { try #require(rename(old, new) == 0) }

  @Test func whoeverListensIsTold() throws {
    #expect(hints.next() != nil)
  }

  @Test(arguments: ["token", "cred/passwd", "tls/server-ca.crt", "cred/of-another-name"])
  func contentsAreNews(_ name: String) throws {
    #expect(try seen { try root.write("x", "\(tree.directory)/\(name)") }.contains(.credentials))
  }

  @Test(arguments: [
    "", "cred", "token", "cred/ipsec.psk", "cred/admin.kubeconfig", "tls/server-ca.key", "tls/etcd/peer-ca.key",
  ])
  func modesAreNews(_ name: String) throws {
    #expect(try seen { try open(name) }.contains(.credentials))
  }

  @Test(arguments: ["node-token", "agent-token", "cred/passwd", "tls", "cred"])
  func whatGoesIsNews(_ name: String) throws {
    #expect(try seen { try root.remove("\(tree.directory)/\(name)") }.contains(.credentials))
  }

  @Test func aFolderThatComesBackIsWatchedAgain() throws {
    let other = path("cred-2")
    #expect(try seen { try move(path("cred"), to: other) }.contains(.credentials))
    #expect(try seen { try move(other, to: path("cred")) }.contains(.credentials))
    #expect(try seen { try root.write("x", "\(tree.directory)/cred/passwd") }.contains(.credentials))
  }

  @Test(arguments: [
    "db/state.db", "kine.sock", "cred/.nodepassd-passwd-1", "tls/dynamic-cert.json", "manifests/a.yaml",
  ])
  func theRestIsNone(_ name: String) throws {
    try root.make("\(tree.directory)/db")
    #expect(!(try seen { try root.write("x", "\(tree.directory)/\(name)") }.contains(.credentials)))
  }
}
