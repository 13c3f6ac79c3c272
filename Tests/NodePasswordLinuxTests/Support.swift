import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization

/// A private root below the temporary directory, gone with the test.
final class PrivateRoot: Sendable {
  let path: String
  var paths: Paths { Paths(root: path) }

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "nodepassd-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func make(_ directory: String) throws {
    try FileManager.default.createDirectory(atPath: path + directory, withIntermediateDirectories: true)
  }

  func write(_ text: String, _ file: String, mode: Int = 0o600) throws { try write(Array(text.utf8), file, mode: mode) }

  func write(_ bytes: [UInt8], _ file: String, mode: Int = 0o600) throws {
    try make(String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]))
    try Data(bytes).write(to: URL(filePath: path + file))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path + file)
  }

  func read(_ file: String) -> String? {
    (try? Data(contentsOf: URL(filePath: path + file))).map { String(decoding: $0, as: UTF8.self) }
  }

  func names(_ directory: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: path + directory).sorted()) ?? []
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: path + file) }
}

/// Waits for a completion; a test that would wait longer has failed.
func wait<Value: Sendable>(_ start: (@escaping @Sendable (Value) -> Void) -> Void) throws -> Value {
  let slot = Slot<Value>()
  start { slot.fill($0) }
  return try slot.value()
}

struct TooLate: Error {}

final class Slot<Value: Sendable>: Sendable {
  private let stored = Mutex<Value?>(nil)
  private let arrived = DispatchSemaphore(value: 0)

  func fill(_ value: Value) {
    stored.withLock { $0 = value }
    arrived.signal()
  }

  func value() throws -> Value {
    guard arrived.wait(timeout: .now() + 30) == .success, let value = stored.withLock({ $0 }) else { throw TooLate() }
    return value
  }
}

/// Not random at all: names that tests can foresee.
struct CountingEntropy: Entropy {
  func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }
}

extension Result where Failure == Obstacle {
  var obstacleKind: Obstacle.Kind? {
    if case .failure(let obstacle) = self { obstacle.kind } else { nil }
  }
}

final class Counter: Sendable {
  private let value = Mutex(0)

  func next() -> Int {
    value.withLock { value in
      value += 1
      return value
    }
  }
}
