import Foundation
import NodePasswordCore
import NodePasswordLinux
import Testing

/// How `escrow forget --for-image` sees that nothing runs any more.
@Suite struct EscrowServiceTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  private func systemctl(_ body: String) throws -> Systemctl {
    try makeProgram("#!/bin/sh\necho \"$*\" >>\(root.path)/asked\n\(body)\n", at: root.path + "/systemctl")
    return Systemctl(path: root.path + "/systemctl")
  }

  private static let units = ["k3s.service", "k3s-agent.service"]

  @Test(arguments: [
    ("inactive\ninactive", [String]()), ("failed\nunknown", []), ("active\ninactive", ["k3s.service"]),
    // A refused agent is on its way for ever.
    ("inactive\nactivating", ["k3s-agent.service"]), ("deactivating\nreloading", units),
    ("maintenance\n inactive", units),
  ])
  func onlyWhatRestsRests(_ words: String, _ running: [String]) throws {
    let answer = try systemctl("printf '\(words.replacing("\n", with: "\\n"))\\n'; exit 3").running(of: Self.units)
    #expect(try answer.get() == running)
    #expect(root.read("/asked") == "is-active -- k3s.service k3s-agent.service\n")
  }

  @Test(arguments: ["", "echo inactive", "echo 'Failed to connect to bus' >&2; exit 1", "yes"])
  func whatIsNotSaidIsNotKnown(_ body: String) throws {
    #expect(try systemctl(body).running(of: Self.units).obstacleKind != nil)
  }

  @Test func stopsAndSaysWhy() throws {
    for body in ["exit 0", "echo 'Unit nodepassd.service not loaded.' >&2; exit 5"] {
      #expect(try systemctl(body).stop("nodepassd.service", within: .seconds(20)).obstacleKind == nil)
    }
    let failed = try systemctl("echo 'Access denied' >&2; exit 4").stop("nodepassd.service", within: .seconds(20))
    #expect(failed.obstacle?.detail == "exit status 4: Access denied")
    #expect(try systemctl("exec sleep 1000").stop("x", within: .milliseconds(200)).obstacleKind == .timedOut)
    #expect(root.read("/asked")?.hasPrefix("stop -- nodepassd.service\n") == true)
  }

  @Test func aNodeWithoutServiceManagerIsSeen() throws {
    #expect(symlink("/usr/bin/sleep", root.path + "/k3s-agent") == 0)
    let agent = Process()
    agent.executableURL = URL(filePath: root.path + "/k3s-agent")
    agent.arguments = ["1000"]
    try agent.run()
    let name = "k3s-agent (pid \(agent.processIdentifier))"
    #expect(NodeProcesses.find().contains(name))
    kill(agent.processIdentifier, SIGKILL)
    agent.waitUntilExit()
    #expect(!NodeProcesses.find().contains(name))
  }
}
