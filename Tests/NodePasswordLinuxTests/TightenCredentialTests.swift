import Foundation
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// What others may read in `server/`, and how that ends (k3s-facts 3.2).
@Suite struct TightenCredentialTests {
  private let root: PrivateRoot
  private let tree: ServerTree

  init() throws {
    root = try PrivateRoot()
    tree = try ServerTree(.k3s, KubernetesVersion(major: 1, minor: 34, patch: 2))
    try tree.write(below: root.path)
  }

  private func path(_ name: String) -> String { "\(root.path)\(tree.directory)" + (name.isEmpty ? "" : "/\(name)") }

  private func exposed() throws -> [CredentialFile] {
    try #require(try ServerCredentialTests.look(root, tree).files.value).exposed
  }

  private func open(_ name: String, _ mode: mode_t = 0o644) throws {
    guard chmod(path(name), mode) == 0 else { throw TooLate() }
  }

  private func mode(_ name: String) -> mode_t {
    var status = stat()
    return lstat(path(name), &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  @Test(
    arguments: [
      ("", 0o755), ("cred", 0o711), ("token", 0o640), ("token", 0o604), ("cred/passwd", 0o660),
      ("cred/ipsec.psk", 0o606), ("cred/admin.kubeconfig", 0o644), ("cred/supervisor.kubeconfig", 0o4777),
      ("tls/server-ca.key", 0o640), ("tls/etcd/peer-ca.key", 0o644),
    ] as [(String, mode_t)])
  func whatIsTooWideIsSeenAndClosed(_ name: String, _ wide: mode_t) throws {
    #expect(try exposed().isEmpty)
    try open(name, wide)
    let files = try exposed()
    #expect(files.map(\.path) == [name] && files.map(\.mode) == [UInt32(wide)])
    try ServerCredentialTests.tighten(files, root).get()
    #expect(mode(name) == (name.isEmpty || name == "cred" ? 0o700 : 0o600))
    #expect(try exposed().isEmpty)
  }

  @Test func foldersInItAreClosedAndNotEntered() throws {
    try root.write("x", "\(tree.directory)/cred/more/deep", mode: 0o644)
    try open("cred/more", 0o755)
    try ServerCredentialTests.tighten(try exposed(), root).get()
    #expect(mode("cred/more") == 0o700 && mode("cred/more/deep") == 0o644)
  }

  @Test(.enabled(if: geteuid() == 0)) func theOwnerIsPutRight() throws {
    for name in ["cred/passwd", "token", "cred"] {
      #expect(chown(path(name), 1234, 1234) == 0)
      let files = try exposed()
      #expect(files.map(\.path) == [name] && files.allSatisfy(\.isForeign))
      try ServerCredentialTests.tighten(files, root).get()
      var status = stat()
      #expect(lstat(path(name), &status) == 0 && status.st_uid == geteuid() && status.st_gid == getegid())
    }
  }

  @Test func oneThatIsAnotherByNowIsLeftAndTheOthersAreDone() throws {
    try open("cred/passwd")
    try open("cred/ipsec.psk")
    let files = try exposed()
    try root.remove("\(tree.directory)/cred/ipsec.psk")
    try root.write("another", "\(tree.directory)/cred/ipsec.psk", mode: 0o644)
    let answer = try ServerCredentialTests.tighten(files, root)
    #expect(answer.obstacleKind == .conflict)
    #expect(mode("cred/passwd") == 0o600 && mode("cred/ipsec.psk") == 0o644)
    try root.remove("\(tree.directory)/cred/passwd")
    #expect(try ServerCredentialTests.tighten(files, root).obstacleKind == .conflict, "one that is gone")
  }

  /// A name that became a link between look and act leads nowhere; neither does a folder on the way.
  @Test func noLinkIsFollowed() throws {
    try root.write("x", "/elsewhere/victim", mode: 0o644)
    let victim = "\(root.path)/elsewhere/victim"
    func isUntouched() -> Bool {
      var status = stat()
      return stat(victim, &status) == 0 && status.st_mode & 0o777 == 0o644
    }
    try open("cred/ipsec.psk")
    let files = try exposed()
    try root.remove("\(tree.directory)/cred/ipsec.psk")
    try FileManager.default.createSymbolicLink(atPath: path("cred/ipsec.psk"), withDestinationPath: victim)
    #expect(try ServerCredentialTests.tighten(files, root).obstacleKind == .conflict && isUntouched())
    #expect(try exposed().isEmpty, "a link has no mode")
    // The very same identity behind a linked folder.
    var status = stat()
    #expect(stat(victim, &status) == 0)
    try FileManager.default.removeItem(atPath: path("cred"))
    try FileManager.default.createSymbolicLink(atPath: path("cred"), withDestinationPath: "\(root.path)/elsewhere")
    let file = CredentialFile(
      path: "cred/victim",
      identity: FileIdentity(
        device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
        changeTime: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec), size: 1),
      mode: 0o644)
    #expect(try ServerCredentialTests.tighten([file], root).obstacleKind == .conflict && isUntouched())
  }

  /// On a disk of its own, by an administrator's link.
  @Test func theServersFolderMayLieElsewhere() throws {
    try root.make("/disk")
    try FileManager.default.moveItem(atPath: path(""), toPath: "\(root.path)/disk/server")
    try FileManager.default.createSymbolicLink(atPath: path(""), withDestinationPath: "../../../../disk/server")
    let seen = try ServerCredentialTests.look(root, tree)
    #expect(seen.obstacles.isEmpty && seen.agent.value?.isLink == true && seen.server.value?.form == .full)
    try open("cred/passwd")
    #expect(chmod(path(""), 0o755) == 0)
    let files = try exposed()
    #expect(files.map(\.path) == ["", "cred/passwd"])
    try ServerCredentialTests.tighten(files, root).get()
    #expect(try exposed().isEmpty && root.read("/disk/server/cred/passwd") != nil)
  }

  @Test func aFileWithAnotherNameIsNotChanged() throws {
    try open("cred/passwd")
    try root.write("x", "/elsewhere/x")
    #expect(link(path("cred/passwd"), "\(root.path)/elsewhere/passwd") == 0)
    let files = try exposed()
    #expect(files.map(\.hasOtherNames) == [true])
    #expect(try ServerCredentialTests.tighten(files, root).obstacleKind == .conflict && mode("cred/passwd") == 0o644)
  }

  @Test func pipesAndOurOwnTemporaryFilesAreNoCredentials() throws {
    #expect(mkfifo(path("cred/pipe"), 0o666) == 0)
    try root.write("x", "\(tree.directory)/cred/.nodepassd-x-1", mode: 0o644)
    #expect(try exposed().isEmpty)
  }
}
