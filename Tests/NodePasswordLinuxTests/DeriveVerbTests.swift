import Foundation
import NodePasswordLinux
import Testing

@Suite(.enabled(if: Program.isBuilt)) struct DeriveVerbTests {
  private static let password = "8111fa4bcbebe843ec0d4e8f0fe049c7"
  private static let secondPassword = "e1c45f86d1c3ef8d0fb0773e6178e99c"
  private static let keyText = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

  private let root: PrivateRoot
  private var key: String { root.path + "/fleet-key" }

  init() throws {
    root = try PrivateRoot()
    try root.write("\(Self.keyText)\n", "/fleet-key")
  }

  private func derive(_ words: String..., environment: [String: String] = [:]) throws -> Program.Answer {
    let answer = try Program.run(["derive"] + words, environment: environment)
    #expect(!answer.all.contains(Self.keyText) && !answer.complaint.contains(Self.password), "law L5")
    return answer
  }

  @Test func printsToWhatIsNoTerminal() throws {
    let first = try derive("EDGE-1", "--fleet-key", key)
    #expect(first.status == 0 && first.output == "\(Self.password)\n" && first.complaint.isEmpty)
    #expect(try derive("edge-1", "--generation", "2", "--fleet-key", key).output == "\(Self.secondPassword)\n")
    try root.write(Self.keyText, "/credentials/fleet-key", mode: 0o400)
    let environment = ["CREDENTIALS_DIRECTORY": root.path + "/credentials"]
    #expect(try derive("edge-1", environment: environment).output == "\(Self.password)\n")
  }

  @Test func neverPrintsToATerminal() throws {
    let answer = try Program.runOnTerminal(["derive", "edge-1", "--fleet-key", key])
    #expect(
      answer.status == 64 && answer.output.contains("not printed to a terminal") && answer.output.contains("--out"))
    #expect(!answer.all.contains(Self.password))
    let file = try Program.runOnTerminal(["derive", "edge-1", "--fleet-key", key, "--out", root.path + "/out"])
    #expect(file.status == 0 && !file.all.contains(Self.password) && root.read("/out") == "\(Self.password)\n")
  }

  @Test func writesAFileOfItsOwn() throws {
    let out = root.path + "/out"
    let made = try derive("edge-1", "--fleet-key", key, "--out", out)
    #expect(made.status == 0 && made.all.isEmpty && root.read("/out") == "\(Self.password)\n")
    var status = stat()
    #expect(stat(out, &status) == 0 && status.st_mode & 0o7777 == 0o600)
    let refused = try derive("edge-1", "--generation", "2", "--fleet-key", key, "--out", out)
    #expect(refused.status == 1 && refused.complaint.contains("--force") && root.read("/out") == "\(Self.password)\n")
    #expect(try derive("edge-1", "--generation", "2", "--fleet-key", key, "--out", out, "--force").status == 0)
    #expect(root.read("/out") == "\(Self.secondPassword)\n")
    #expect(root.names("/") == ["fleet-key", "out"])
  }

  @Test func wrongInputIsUsage() throws {
    for words in [
      ["edge_1", "--fleet-key", key], ["", "--fleet-key", key], ["edge-1", "--generation", "0", "--fleet-key", key],
      ["edge-1", "--generation", "1000000000", "--fleet-key", key],
      ["edge-1", "--generation", "x", "--fleet-key", key],
      ["edge-1", "--fleet-key", key, "--force"], ["edge-1"], [],
    ] {
      let answer = try Program.run(["derive"] + words)
      #expect(answer.status == 64 && answer.output.isEmpty, "\(words)")
    }
  }

  @Test func aKeyThatIsNoneIsSaidSo() throws {
    try root.write("short\n", "/short")
    for (path, words) in [
      ("/none", "there is no such file"), ("/short", "32 to 4096 bytes"), ("", "it is no regular file"),
    ] {
      let answer = try derive("edge-1", "--fleet-key", root.path + path)
      #expect(answer.status == 1 && answer.output.isEmpty)
      #expect(answer.complaint.hasPrefix("nodepassd: Failed to derive the password: "))
      #expect(answer.complaint.contains(words))
    }
    #expect(chmod(key, 0o644) == 0)
    #expect(try derive("edge-1", "--fleet-key", key).complaint.contains("chmod 600"))
  }
}
