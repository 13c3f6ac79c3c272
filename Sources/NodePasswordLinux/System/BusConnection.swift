import CSystemd
import Glibc
import NodePasswordCore

/// How long the service manager is waited for. Parameters, so that tests need not.
package struct BusPatience: Sendable {
  /// For a whole question, the way there included.
  package var call = Duration.seconds(5)
  /// For one way there before another is tried.
  package var connect = Duration.seconds(2)
  /// For an alert, from its start to its end.
  package var alert = Duration.seconds(90)

  package init() {}
}

/// An open connection to the bus daemon, or to the service manager itself. Belongs to one queue; nothing here waits
/// beyond its deadline, which sd-bus alone would.
final class BusConnection {
  typealias Deadline = SuspendingClock.Instant

  /// To the service manager itself, with no bus daemon in between.
  let isDirect: Bool
  private let bus: OpaquePointer

  private init(_ bus: OpaquePointer, isDirect: Bool) {
    self.bus = bus
    self.isDirect = isDirect
  }

  // Without a last flush, which would wait for a peer that does not read.
  deinit { sd_bus_close_unref(bus) }

  /// - Parameter socket: the path of a socket.
  static func open(
    _ socket: String, isDirect: Bool, until deadline: Deadline
  ) throws(Obstacle) -> BusConnection {
    var made: OpaquePointer?
    let code = sd_bus_new(&made)
    guard code >= 0, let bus = made else { throw .bus(-code, at: socket) }
    let connection = BusConnection(bus, isDirect: isDirect)
    try check(sd_bus_set_address(bus, address(of: socket)), at: socket)
    if !isDirect { try check(sd_bus_set_bus_client(bus, 1), at: socket) }
    try check(sd_bus_start(bus), at: socket)
    while sd_bus_is_ready(bus) <= 0 {
      if case .nothing = try connection.process(at: socket) { try connection.wait(until: deadline, at: socket) }
    }
    return connection
  }

  /// Whether the other side is still there. What had come unasked is dropped.
  func isAlive() -> Bool {
    // More than this is no remainder of earlier answers, and a new connection is the better one.
    for _ in 0..<1000 {
      let code = sd_bus_process(bus, nil)
      if code < 0 { return false }
      if code == 0 { return sd_bus_is_open(bus) > 0 }
    }
    return false
  }

  func call(_ call: BusCall, until deadline: Deadline) throws(Obstacle) -> BusMessage {
    let message = try request(call)
    defer { sd_bus_message_unref(message) }
    let left = Self.microseconds(until: deadline)
    guard left > 0 else { throw .bus(ETIMEDOUT, at: call.place) }
    var error = sd_bus_error()
    defer { sd_bus_error_free(&error) }
    var answer: OpaquePointer?
    let code = sd_bus_call(bus, message, left, &error, &answer)
    if code >= 0, let answer { return BusMessage(answer, place: call.place) }
    guard let name = error.name.map({ String(cString: $0) }), !name.hasPrefix("System.Error.") else {
      throw .bus(code < 0 ? -code : EPROTO, at: call.place)
    }
    throw .bus(name, error.message.map { String(cString: $0) } ?? "", at: call.place)
  }

  /// The next message that came unasked.
  func next(until deadline: Deadline, at place: String) throws(Obstacle) -> BusMessage {
    while true {
      switch try process(at: place) {
      case .message(let message): return message
      case .something: continue
      case .nothing: try wait(until: deadline, at: place)
      }
    }
  }

  // MARK: sd-bus

  private enum Progress {
    case nothing, something
    case message(BusMessage)
  }

  private func process(at place: String) throws(Obstacle) -> Progress {
    var message: OpaquePointer?
    let code = sd_bus_process(bus, &message)
    if let message { return .message(BusMessage(message, place: place)) }
    guard code >= 0, code > 0 || sd_bus_is_open(bus) > 0 else { throw .bus(code < 0 ? -code : ECONNRESET, at: place) }
    return code > 0 ? .something : .nothing
  }

  private func wait(until deadline: Deadline, at place: String) throws(Obstacle) {
    let left = Self.microseconds(until: deadline)
    guard left > 0 else { throw .bus(ETIMEDOUT, at: place) }
    let code = sd_bus_wait(bus, left)
    guard code >= 0 || code == -EINTR else { throw .bus(-code, at: place) }
  }

  private func request(_ call: BusCall) throws(Obstacle) -> OpaquePointer {
    var made: OpaquePointer?
    let code = sd_bus_message_new_method_call(bus, &made, call.destination, call.path, call.interface, call.member)
    guard code >= 0, let message = made else { throw .bus(-code, at: call.place) }
    for argument in call.arguments {
      let code =
        switch argument {
        case .string(let text): Self.append(text, to: message)
        case .strings(let texts): Self.append(texts, to: message)
        }
      guard code >= 0 else {
        sd_bus_message_unref(message)
        throw .bus(-code, at: call.place)
      }
    }
    return message
  }

  private static func append(_ text: String, to message: OpaquePointer) -> Int32 {
    text.withCString { sd_bus_message_append_basic(message, CChar(UInt8(ascii: "s")), $0) }
  }

  private static func append(_ texts: [String], to message: OpaquePointer) -> Int32 {
    var code = sd_bus_message_open_container(message, CChar(UInt8(ascii: "a")), "s")
    for text in texts where code >= 0 { code = append(text, to: message) }
    return code < 0 ? code : sd_bus_message_close_container(message)
  }

  private static func check(_ code: Int32, at place: String) throws(Obstacle) {
    if code < 0 { throw .bus(-code, at: place) }
  }

  /// 0 once it has passed; sd-bus would take that for its own default.
  private static func microseconds(until deadline: Deadline) -> UInt64 {
    UInt64(max(0, (deadline - .now).wholeNanoseconds / 1000))
  }

  /// As the D-Bus specification spells a path in an address.
  private static func address(of socket: String) -> String {
    var address = "unix:path="
    for byte in socket.utf8 {
      let scalar = Unicode.Scalar(byte)
      let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
      address += isPlain || "-_/.*".unicodeScalars.contains(scalar) ? String(scalar) : hex(byte)
    }
    return address
  }

  private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "%0" : "%") + String(byte, radix: 16) }
}
