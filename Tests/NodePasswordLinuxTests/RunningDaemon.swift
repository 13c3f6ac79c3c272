import Foundation
import Synchronization
import Testing

/// `nodepassd run` on a private root, and what it says on standard error.
final class RunningDaemon: Sendable {
  private struct State {
    var text = ""
    var lines: [String] = []
    var taken: Set<Int> = []
  }

  private let process: Process
  private let state = Mutex(State())
  private let arrived = DispatchSemaphore(value: 0)

  init(_ root: PrivateRoot) throws {
    let process = Process()
    self.process = process
    process.executableURL = URL(filePath: Program.path)
    process.arguments = ["run", "--root", root.path, "--log", "stderr"]
    process.environment = ["PATH": "/usr/bin:/bin"]
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
      let data = handle.availableData
      if data.isEmpty { handle.readabilityHandler = nil }
      self?.take(String(decoding: data, as: UTF8.self))
    }
  }

  private func take(_ text: String) {
    state.withLock { state in
      state.text += text
      var parts = state.text.split(separator: "\n", omittingEmptySubsequences: false)
      state.text = String(parts.removeLast())
      state.lines += parts.map(String.init)
    }
    arrived.signal()
  }

  /// The first line of that kind that was not asked for before; `nil` after half a minute.
  func line(_ isMeant: (String) -> Bool) -> String? {
    let end = DispatchTime.now() + .seconds(30)
    while true {
      let found = state.withLock { state -> String? in
        for (index, line) in state.lines.enumerated() where !state.taken.contains(index) && isMeant(line) {
          state.taken.insert(index)
          return line
        }
        return nil
      }
      if let found { return found }
      guard arrived.wait(timeout: end) == .success else { return nil }
    }
  }

  /// It was said that this drift has gone.
  func gone(_ drift: String) -> Bool { line { $0.contains("kind=drift-gone") && $0.contains(drift) } != nil }

  var everything: String { state.withLock { $0.lines.joined(separator: "\n") } }

  func stop() {
    process.terminate()
    process.waitUntilExit()
  }
}
