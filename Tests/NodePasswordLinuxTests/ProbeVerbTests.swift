import Foundation
import NodePasswordCore
import NodePasswordSimulator
import Testing

private let program = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().appending(path: ".build/release/nodepassd").path()

/// The program itself, as a person runs it.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: program)))
struct ProbeVerbTests {
  private struct Run {
    var status: Int32
    var output: String
    var errors: String

    var json: [String: Any] {
      (try? JSONSerialization.jsonObject(with: Data(output.utf8))) as? [String: Any] ?? [:]
    }
  }

  /// Searches all that was written for the machine's secrets.
  private static func run(_ machine: ProbedMachine, _ arguments: String...) throws -> Run {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = ["probe", "--root", machine.root.path] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    for secret in [ProbedMachine.password, "join-password", "bm9kZTpqb2lu", "PRIVATE KEY"] {
      #expect(!text.contains(secret) && !complaints.contains(secret))
    }
    return Run(status: process.terminationStatus, output: text, errors: complaints)
  }

  private static func with(_ version: ServerVersion, _ body: (StandIn, ProbedMachine) throws -> Void) throws {
    let standIn = try StandIn.start(.init(server: .init(version: version)))
    defer { standIn.stop() }
    try body(standIn, try ProbedMachine(joining: standIn))
  }

  @Test func saysWhatItDoesAndThenWhatItLearnt() throws {
    try Self.with(.v1_34_2) { standIn, machine in
      let accepted = try Self.run(machine)
      #expect(accepted.status == 0)
      #expect(accepted.output.hasPrefix("alpha: accepted (200)\n  asked   127.0.0.1:\(standIn.port), by token\n"))
      #expect(accepted.errors.contains("not read-only") && accepted.errors.contains("1.31.5"))
      #expect(try Self.run(machine, "--legacy").errors.contains("--legacy"))
      try machine.root.write("another\n", "/etc/rancher/node/password")
      let refused = try Self.run(machine)
      #expect(refused.status == 2 && refused.output.contains("password-refused (403)"))
      #expect(refused.output.contains("  server  1.26.6"))
    }
  }

  @Test func tellsProgramsTheSame() throws {
    try Self.with(.v1_21_3) { standIn, machine in
      #expect(try Self.run(machine, "--output", "json").json["meaning"] as? String == "accepted")
      try machine.root.write("another\n", "/etc/rancher/node/password")
      let refused = try Self.run(machine, "--output", "json")
      #expect(refused.errors.isEmpty)
      let json = refused.json
      #expect(json["status"] as? Int == 403 && json["meaning"] as? String == "password-refused")
      #expect(json["era"] as? String == "plain-text" && json["server"] as? String == "127.0.0.1:\(standIn.port)")
      #expect(json["credentials"] as? [String] == ["token"] && json["node"] as? String == "alpha")
      #expect((json["advice"] as? String)?.contains("password file") == true)
      #expect(json["problem"] == nil)
    }
  }

  @Test func exitStatuses() throws {
    try Self.with(.v1_34_2) { standIn, machine in
      try standIn.setFault(.status(503))
      #expect(try Self.run(machine).status == 1)
      try standIn.setFault(.refused)
      let unreachable = try Self.run(machine, "--output", "json")
      #expect(unreachable.status == 3 && unreachable.json["problem"] is String && unreachable.json["status"] == nil)
      #expect(unreachable.json["advice"] is String)
      try machine.root.write("\n", "/etc/rancher/node/password")
      #expect(try Self.run(machine).output.contains("could not ask"))
      try machine.root.remove("/etc/rancher/node/password")
      #expect(try Self.run(machine).status == 3)
      for directory in ["/etc", "/var"] { try machine.root.remove(directory) }
      #expect(try Self.run(machine).output.contains("no K3s or RKE2 agent is installed here"))
      #expect(try Self.run(machine, "--nonsense").status == 64)
    }
  }
}
