import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct CredentialDirectoryTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  private func read(_ directory: String?) throws -> Observed<NodePassword> {
    let environment = directory.map { ["CREDENTIALS_DIRECTORY": $0] } ?? [:]
    return try wait { CredentialDirectory(environment: environment).nodePassword($0) }.get()
  }

  private func read() throws -> Observed<NodePassword> { try read(root.path + "/credentials") }

  /// Judged as the password file is.
  @Test(arguments: [
    ("abc\n", "abc"), ("  abc \r\n\t", "abc"), ("a b", "a b"), ("\u{2003}abc", "abc"), ("a\tb", "a\tb"),
    (String(repeating: "x", count: 4096), String(repeating: "x", count: 4096)),
  ])
  func aPasswordIsTrimmed(_ contents: String, _ password: String) throws {
    try root.write(contents, "/credentials/node-password", mode: 0o400)
    #expect(try #require(try read().value).isEqual(to: NodePassword(copying: Array(password.utf8))))
  }

  @Test(arguments: [
    "", "\n", " \t\r\n", "a\nb", "a\0b", "a\u{1}b", "a\u{7f}", String(repeating: "x", count: 4097),
    String(repeating: "x", count: 100_000),
  ])
  func whatCanBeNoPasswordIsMalformed(_ contents: String) throws {
    try root.write(contents, "/credentials/node-password")
    let obstacle = try #require(try read().obstacle)
    #expect(obstacle.kind == .malformed && obstacle.place == root.path + "/credentials/node-password")
  }

  @Test func whatIsNotThereIsAbsent() throws {
    #expect(try read(nil).isAbsent)
    #expect(try read("").isAbsent)
    #expect(try read(root.path + "/none").isAbsent)
    try root.write("abc", "/credentials/another")
    #expect(try read().isAbsent)
  }

  @Test func whatIsNoFileIsMalformed() throws {
    try root.make("/credentials/node-password")
    #expect(try read().obstacle?.kind == .malformed)
    try root.remove("/credentials/node-password")
    #expect(mkfifo(root.path + "/credentials/node-password", 0o600) == 0)
    #expect(try read().obstacle?.kind == .malformed)
    #expect(unlink(root.path + "/credentials/node-password") == 0)
    try root.write("abc", "/elsewhere")
    #expect(symlink(root.path + "/elsewhere", root.path + "/credentials/node-password") == 0)
    #expect(try read().obstacle?.kind == .malformed)
    #expect(try read("relative/path").obstacle?.kind == .malformed)
  }
}
