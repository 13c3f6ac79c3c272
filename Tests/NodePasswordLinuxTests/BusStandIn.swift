import Dispatch
import Foundation
import NodePasswordLinux
import Synchronization

/// A service manager as far as its bus goes, on a socket below a private root: either its own one, or the bus daemon's.
final class BusStandIn: Sendable {
  enum Step: Sendable {
    case reply([BusValue])
    case error(String)
    /// `JobRemoved` for a job, with its result; by another sender where one is named.
    case removed(job: String, result: String, by: String = BusStandIn.name)
    case hangUp
  }

  enum Place: String, CaseIterable, Sendable {
    case bus = "/run/dbus/system_bus_socket"
    case direct = "/run/systemd/private"
  }

  static let name = ":1.0"

  let requests = Inbox<BusRequest>()
  /// One for each connection that was made.
  let connections = Inbox<Void>()
  /// One for each connection that we ended.
  let ends = Inbox<Void>()
  private let listener: Int32
  private let place: Place
  private let answer: @Sendable (BusRequest) -> [Step]

  /// - Parameter answer: what is done about a call. What the bus daemon itself answers is not asked for.
  init(
    _ place: Place, in root: PrivateRoot, _ answer: @escaping @Sendable (BusRequest) -> [Step]
  ) throws {
    self.place = place
    self.answer = answer
    listener = try Self.listen(place, in: root)
    let descriptor = listener
    Thread.detachNewThread { @Sendable [weak self] in
      while true {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { break }
        guard let self else {
          close(connection)
          break
        }
        self.connections.put(())
        Thread.detachNewThread { @Sendable in self.serve(connection) }
      }
      close(descriptor)
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  /// A socket that takes connections and never says a word.
  static func listen(_ place: Place, in root: PrivateRoot) throws -> Int32 {
    try root.make("/run/systemd/system")
    try root.make(String(place.rawValue[..<(place.rawValue.lastIndex(of: "/") ?? place.rawValue.startIndex)]))
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = root.path + place.rawValue
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0, Glibc.listen(descriptor, 64) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    return descriptor
  }

  private func serve(_ connection: Int32) {
    var bytes: [UInt8] = []
    var isGreeted = false
    var serial: UInt32 = 0
    defer {
      close(connection)
      ends.put(())
    }
    while let more = Self.read(connection) {
      bytes += more
      if !isGreeted {
        let greeting = String(decoding: bytes, as: UTF8.self)
        guard let end = greeting.range(of: "BEGIN\r\n") else { continue }
        isGreeted = true
        var words = greeting.contains("DATA\r\n") ? "DATA\r\n" : ""
        words += "OK \(String(repeating: "0123456789abcdef", count: 2))\r\n"
        if greeting.contains("NEGOTIATE_UNIX_FD") { words += "AGREE_UNIX_FD\r\n" }
        Self.write(Array(words.utf8), connection)
        bytes.removeFirst(greeting.utf8.distance(from: greeting.startIndex, to: end.upperBound))
      }
      while let request = BusRequest.take(&bytes) {
        for step in steps(for: request) {
          serial += 1
          guard let message = message(for: step, request, serial) else { return }
          Self.write(message, connection)
        }
      }
    }
  }

  private func steps(for request: BusRequest) -> [Step] {
    switch request.member {
    case "Hello" where place == .bus: return [.reply([.string(":1.7")])]
    case "AddMatch" where place == .bus:
      requests.put(request)
      return [.reply([])]
    default:
      requests.put(request)
      return answer(request)
    }
  }

  private func message(for step: Step, _ request: BusRequest, _ serial: UInt32) -> [UInt8]? {
    let sender: (UInt8, BusValue) = (7, .string(Self.name))
    switch step {
    case .hangUp: return nil
    case .reply(let body):
      return BusWriter.message(
        2, serial: serial, [(5, .number(request.serial))] + (place == .bus ? [sender] : []), body)
    case .error(let name):
      return BusWriter.message(
        3, serial: serial, [(4, .string(name)), (5, .number(request.serial))] + (place == .bus ? [sender] : []),
        [.string("in words")])
    case .removed(let job, let result, let name):
      let fields: [(UInt8, BusValue)] = [
        (1, .path("/org/freedesktop/systemd1")), (2, .string("org.freedesktop.systemd1.Manager")),
        (3, .string("JobRemoved")),
      ]
      return BusWriter.message(
        4, serial: serial, fields + (place == .bus ? [(7, .string(name))] : []),
        [.number(7), .path(job), .string("x.service"), .string(result)])
    }
  }

  private static func read(_ connection: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = Glibc.read(connection, &bytes, bytes.count)
    return count > 0 ? Array(bytes[..<count]) : nil
  }

  private static func write(_ bytes: [UInt8], _ connection: Int32) {
    // A peer that has gone is no signal to this process.
    _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }
}
