import Glibc
import NodePasswordCore

/// From exec to `READY=1`, on an agent whose password is in escrow.
struct StartBench {
  let place: String
  let samples: Int

  func run() throws {
    let world = try DemoWorld(.init(place: place, hasServerRole: false))
    defer { DemoFiles.removeAll(world.root) }
    do {
      defer { _ = world.daemon.stop() }
      try world.joinAndEscrow()
    }
    world.agent.stop()
    let socket = try NotifySocket(path: world.root + "/notify")
    let binary = try DemoWorld.daemonBinary()
    var times: [Duration] = []
    for _ in 0..<samples {
      let start = Stopwatch.now
      let daemon = try DaemonProcess(
        binary: binary, arguments: ["run", "--root", world.root, "--log", "stderr"],
        environment: ["NOTIFY_SOCKET=\(socket.path)"])
      defer { _ = daemon.stop() }
      try socket.waitForReady()
      times.append(Stopwatch.now - start)
    }
    BenchText.row("exec → READY=1", Spread(times).text)
  }
}

/// What systemd listens on (sd_notify(3)).
private final class NotifySocket {
  let path: String
  private let number: Int32

  init(path: String) throws {
    self.path = path
    number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard number >= 0, path.utf8.count < capacity else { throw BenchFailure("no socket at \(path)") }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    guard bound == 0 else { throw BenchFailure("bind: \(String(cString: strerror(errno)))") }
  }

  deinit { close(number) }

  func waitForReady() throws {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(number, &buffer, buffer.count, 0)
      guard count > 0 else { throw BenchFailure("the daemon was not ready within 10 s") }
      let lines = buffer[..<count].split(separator: UInt8(ascii: "\n"))
      if lines.contains(where: { $0.elementsEqual("READY=1".utf8) }) { return }
    }
  }
}
