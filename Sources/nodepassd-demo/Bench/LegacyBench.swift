import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization

/// `cred/node-passwd` with very many rows: a look at it, and a row written, beside the bare write of as many bytes.
struct LegacyBench {
  let place: String
  let samples: Int

  private static let rowCount = 100_000
  private static let installation = Installation(
    distribution: .k3s, hasServerRole: true, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
    dataDirectory: "/var/lib/rancher/k3s", passwordPath: "/etc/rancher/node/password",
    identity: MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: []))

  func run() throws {
    let root = "\(place)/nodepassd-bench-\(getpid())"
    defer { DemoFiles.removeAll(root) }
    let folder = root + Self.installation.dataDirectory + "/server/cred"
    try DemoFiles.makeDirectories(folder)
    let size = try layOut(folder + "/node-passwd")
    BenchText.row("the file", "\(Self.rowCount) rows, \(Self.megabytes(size))")
    try measure(LinuxLegacyPasswords(paths: Paths(root: root), entropy: KernelEntropy()), folder, size)
  }

  /// As K3s 1.0 to 1.19 writes them. Answers its size in bytes.
  private func layOut(_ path: String) throws -> Int {
    var size = 0
    var text = ""
    for number in 0..<Self.rowCount {
      let digits = String(number, radix: 16)
      let name = "node-\(number).example.org"
      text += String(repeating: "0", count: 32 - digits.count) + digits + ",\(name),\(name),\n"
    }
    size = text.utf8.count
    try DemoFiles.write(text, to: path, mode: 0o600)
    return size
  }

  private func measure(_ port: LinuxLegacyPasswords, _ folder: String, _ size: Int) throws {
    guard let name = NodeName("server-1") else { throw BenchFailure("no name") }
    try Self.forgetPeak()
    let before = try Self.kilobytes("VmRSS")
    var looks: [Duration] = []
    var writes: [Duration] = []
    var bare: [Duration] = []
    for sample in 0..<samples {
      var identity: FileIdentity?
      looks.append(
        try Stopwatch.time {
          let reading = try answer { port.read(Self.installation, $0) }.value
          // All that a look at the file asks of it.
          guard let file = reading?.file, file.faultCount == 0, file.shadowed(.lastCounts).count == 0,
            file.names().count >= Self.rowCount, file.password(of: name, .lastCounts) != nil || sample == 0
          else { throw BenchFailure("the file was not read as it is") }
          identity = reading?.identity
        })
      guard let identity else { throw BenchFailure("there is no file") }
      let password = NodePassword(copying: Array("password-\(sample)".utf8))
      let edit = LegacyRowEdit(.write(password, for: name), .lastCounts, over: .exactly(identity))
      writes.append(try Stopwatch.time { _ = try answer { port.edit(edit, of: Self.installation, $0) } })
      bare.append(try Stopwatch.time { try writeBare(folder, size) })
    }
    let (write, other) = (Spread(writes), Spread(bare))
    BenchText.row("a look at all rows", Spread(looks).text)
    BenchText.row("a row written", write.text)
    BenchText.row("bare write, fsync, rename, fsync", other.text)
    BenchText.row("  ratio", "median \(BenchText.ratio(write.median, other.median))")
    let peak = try Self.kilobytes("VmHWM") - before
    BenchText.row("memory at most, beyond what was there", Self.megabytes(peak * 1_024))
  }

  private func answer<Value: Sendable>(_ start: (@escaping Completion<Value>) -> Void) throws -> Value {
    let slot = BenchSlot<Value>()
    start { slot.fill($0) }
    return try slot.value()
  }

  private func writeBare(_ folder: String, _ size: Int) throws {
    let bytes = [UInt8](repeating: 0x61, count: size)
    let file = open(folder + "/bare.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    let directory = open(folder, O_RDONLY | O_DIRECTORY)
    defer {
      close(file)
      close(directory)
    }
    guard write(file, bytes, size) == size, fsync(file) == 0, rename(folder + "/bare.tmp", folder + "/bare") == 0,
      fsync(directory) == 0
    else { throw BenchFailure("\(folder) could not be written to") }
  }

  // MARK: Memory

  /// proc(5): the highest resident size starts anew.
  private static func forgetPeak() throws { try DemoFiles.write("5", to: "/proc/self/clear_refs", mode: 0o600) }

  private static func kilobytes(_ field: String) throws -> Int {
    for line in try DemoFiles.read("/proc/self/status").split(separator: "\n") where line.hasPrefix(field + ":") {
      return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0
    }
    throw BenchFailure("/proc/self/status has no \(field)")
  }

  private static func megabytes(_ bytes: Int) -> String { BenchText.decimal(Double(bytes) / 1_000_000) + " MB" }
}

/// Waits for one answer.
private final class BenchSlot<Value: Sendable>: Sendable {
  private let answer = Mutex<Result<Value, Obstacle>?>(nil)
  private let arrived = DispatchSemaphore(value: 0)

  func fill(_ value: Result<Value, Obstacle>) {
    answer.withLock { $0 = value }
    arrived.signal()
  }

  func value() throws -> Value {
    guard arrived.wait(timeout: .now() + 60) == .success, let answer = answer.withLock({ $0 }) else {
      throw BenchFailure("no answer within a minute")
    }
    return try answer.get()
  }
}
