import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordLinux
import Synchronization

/// A made-up root directory, removed with its last holder.
final class ScratchRoot: Sendable {
  let path: String
  var paths: Paths { Paths(root: path) }

  init() throws {
    let template = FileManager.default.temporaryDirectory.appendingPathComponent("nodepassd-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: template, withIntermediateDirectories: true)
    path = template.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func make(_ directory: String) throws {
    try FileManager.default.createDirectory(atPath: path + directory, withIntermediateDirectories: true)
  }

  /// Writes in place, as K3s does; makes what directories it needs.
  func write(_ file: String, _ text: String) throws {
    try make((file as NSString).deletingLastPathComponent)
    if let handle = FileHandle(forWritingAtPath: path + file) {
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: Data(text.utf8))
      try handle.close()
    } else {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path + file))
    }
  }

  /// Puts a file in place by renaming a temporary one over it.
  func replace(_ file: String, _ text: String) throws {
    let temporary = (file as NSString).deletingLastPathComponent + "/.nodepassd-\(UUID().uuidString)"
    try write(temporary, text)
    try move(temporary, to: file)
  }

  func move(_ file: String, to other: String) throws {
    guard rename(path + file, path + other) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: path + file) }

  func link(_ file: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path + file, withDestinationPath: target)
  }
}

/// What came, in order, and a way to wait for it.
final class Inbox<Value: Sendable>: Sendable {
  private let values = Mutex<[Value]>([])
  private let arrived = DispatchSemaphore(value: 0)

  func put(_ value: Value) {
    values.withLock { $0.append(value) }
    arrived.signal()
  }

  /// Waits for the next one that nobody has waited for yet; `nil` after half a minute.
  func next(timeout: DispatchTimeInterval = .seconds(30)) -> Value? {
    guard arrived.wait(timeout: .now() + timeout) == .success else { return nil }
    return values.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }

  /// Takes all that came so far.
  func drain() -> [Value] {
    var drained: [Value] = []
    while let value = next(timeout: .seconds(0)) { drained.append(value) }
    return drained
  }
}
