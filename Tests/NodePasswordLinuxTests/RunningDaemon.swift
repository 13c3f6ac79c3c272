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

  private let pid: Int32
  private let state = Mutex(State())
  private let arrived = DispatchSemaphore(value: 0)
  private let ends = Inbox<Void>()

  init(_ root: PrivateRoot) throws {
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments = ["run", "--root", root.path, "--log", "stderr"]
    process.environment = ["PATH": "/usr/bin:/bin"]
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    pid = process.processIdentifier
    let ends = ends
    pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
      let text = String(decoding: handle.availableData, as: UTF8.self)
      if text.isEmpty {
        handle.readabilityHandler = nil
        ends.put(())
      }
      self?.take(text)
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
  func line(_ isMeant: (String) -> Bool) -> String? { next(leavingEarlier: true, isMeant) }

  /// The first line with all of these behind the one that was asked for last; `nil` after half a minute.
  func line(with words: String...) -> String? {
    next(leavingEarlier: false) { line in words.allSatisfy(line.contains) }
  }

  private func next(leavingEarlier: Bool, _ isMeant: (String) -> Bool) -> String? {
    let end = DispatchTime.now() + .seconds(30)
    while true {
      let found = state.withLock { state -> String? in
        for (index, line) in state.lines.enumerated() where !state.taken.contains(index) {
          let isFound = isMeant(line)
          if isFound || !leavingEarlier { state.taken.insert(index) }
          if isFound { return line }
        }
        return nil
      }
      if let found { return found }
      guard arrived.wait(timeout: end) == .success else { return nil }
    }
  }

  /// It was said that this drift has gone.
  func gone(_ drift: String) -> Bool { line { $0.contains("kind=drift-gone") && $0.contains(drift) } != nil }

  /// All that it has said.
  var everything: String { state.withLock { ($0.lines + [$0.text]).joined(separator: "\n") } }

  func stop() { #expect(kill(pid, SIGTERM) == 0 && ends.next() != nil && hasEnded(pid)) }
}
