import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// One check of a password against K3s's hash, beside libcrypto's scrypt with the same parameters.
struct HashBench {
  let samples: Int

  /// Alternates, since other work on the machine comes and goes.
  private static let round = 5

  func run() throws {
    var ours: [Duration] = []
    var theirs: [Duration] = []
    while ours.count < samples {
      for _ in 0..<Self.round { ours.append(try Stopwatch.time(check)) }
      theirs += try python(Self.round)
    }
    let (mine, other) = (Spread(ours), Spread(theirs))
    BenchText.row("nodepassd", mine.text)
    guard other.count > 0 else { return BenchText.row("Python's hashlib.scrypt", "there is no python3 here") }
    BenchText.row("Python's hashlib.scrypt (libcrypto)", other.text)
    BenchText.row("  ratio", "median \(BenchText.ratio(mine.median, other.median))")
  }

  private func check() throws {
    let answered = DispatchSemaphore(value: 0)
    ScryptDerivation().scrypt(
      NodePassword(copying: Array("0123456789abcdef0123456789abcdef".utf8)), salt: Array("01234567".utf8), cost: .k3s
    ) { _ in
      answered.signal()
    }
    guard answered.wait(timeout: .now() + 60) == .success else { throw BenchFailure("scrypt took a minute") }
  }

  /// Times `count` calls within one interpreter; none where there is no interpreter.
  private func python(_ count: Int) throws -> [Duration] {
    let script =
      "import hashlib,time\nfor _ in range(\(count)):\n a=time.perf_counter_ns()\n "
      + "hashlib.scrypt(b'0123456789abcdef0123456789abcdef',salt=b'01234567',n=32768,r=8,p=1,dklen=64,maxmem=1<<26)\n "
      + "print(time.perf_counter_ns()-a)"
    guard DemoFiles.exists("/usr/bin/python3"), let pipe = popen("/usr/bin/python3 -c \"\(script)\"", "r") else {
      return []
    }
    var text: [UInt8] = []
    var byte = fgetc(pipe)
    while byte != EOF {
      text.append(UInt8(truncatingIfNeeded: byte))
      byte = fgetc(pipe)
    }
    guard pclose(pipe) == 0 else { throw BenchFailure("python3 has no hashlib.scrypt") }
    return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Int64($0) }
      .map { .nanoseconds($0) }
  }
}
