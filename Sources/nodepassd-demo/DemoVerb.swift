import NodePasswordCore

/// A verb that a person types, to its end.
struct DemoVerb {
  let words: String
  let status: Int32
  /// What it wrote, complaints and all.
  let lines: [String]

  /// - Throws: where it cannot be started.
  init(_ words: [String], in world: DemoWorld) throws {
    self.words = "nodepassd " + words.joined(separator: " ")
    let process = try DaemonProcess(
      binary: try DemoWorld.daemonBinary(), arguments: words + ["--root", world.root], takesOutput: true)
    status = process.waitForEnd(patience: 20)
    // Its last lines may be on their way still.
    process.waitForOutput()
    lines = process.lines.map(\.text)
  }

  func says(_ words: String) -> Bool { lines.contains { $0.contains(words) } }
}

extension DemoStage {
  /// Types it, and shows those of its lines that are about these words.
  @discardableResult
  func type(_ words: String..., showing parts: [String]) throws -> DemoVerb {
    let verb = try DemoVerb(words, in: world)
    say("   \(verb.words): exit status \(verb.status)")
    for line in verb.lines where parts.contains(where: line.contains) {
      say("     \(line.replacing(world.root, with: "").prefix(150))")
    }
    return verb
  }
}
