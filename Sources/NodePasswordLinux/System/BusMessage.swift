import CSystemd
import Glibc
import NodePasswordCore

/// A method that is called on the bus.
struct BusCall {
  enum Argument {
    case string(String)
    case strings([String])
  }

  var destination = "org.freedesktop.systemd1"
  var path = "/org/freedesktop/systemd1"
  var interface = "org.freedesktop.systemd1.Manager"
  var member: String
  var arguments: [Argument]
  /// How obstacles name it.
  var place: String

  /// A method of the service manager; `subject` is for obstacles.
  static func manager(_ member: String, _ arguments: [Argument], about subject: UnitName) -> BusCall {
    BusCall(member: member, arguments: arguments, place: "\(member) \(subject)")
  }

  static func property(_ name: String, of interface: String, at path: String, about subject: UnitName) -> BusCall {
    BusCall(
      path: path, interface: "org.freedesktop.DBus.Properties", member: "Get",
      arguments: [.string(interface), .string(name)], place: "\(name) of \(subject)")
  }

  /// Has the bus daemon pass on the service manager's signals of that name.
  static func match(_ signal: String) -> BusCall {
    let rule =
      "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',"
      + "interface='org.freedesktop.systemd1.Manager',member='\(signal)'"
    return BusCall(
      destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
      member: "AddMatch", arguments: [.string(rule)], place: "AddMatch \(signal)")
  }
}

/// A message that came, let go with its holder. Its parts are read in order.
final class BusMessage {
  private let message: OpaquePointer
  private let place: String

  /// - Parameter message: ours from now on.
  init(_ message: OpaquePointer, place: String) {
    self.message = message
    self.place = place
  }

  deinit { sd_bus_message_unref(message) }

  /// The sender's own name on the bus, which the bus daemon vouches for; `nil` on a connection without one.
  var sender: String? { sd_bus_message_get_sender(message).map { String(cString: $0) } }

  func isSignal(_ name: String) -> Bool {
    sd_bus_message_is_signal(message, "org.freedesktop.systemd1.Manager", name) > 0
  }

  func string() throws(Obstacle) -> String { try text(UInt8(ascii: "s")) }

  func objectPath() throws(Obstacle) -> String { try text(UInt8(ascii: "o")) }

  func number() throws(Obstacle) -> UInt32 {
    var number: UInt32 = 0
    guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "u")), &number) > 0 else { throw nonsense }
    return number
  }

  func longNumber() throws(Obstacle) -> UInt64 {
    var number: UInt64 = 0
    guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "t")), &number) > 0 else { throw nonsense }
    return number
  }

  /// Steps into an array (`a`), a struct (`r`) or a variant (`v`); false where there is none left.
  func enter(_ kind: Unicode.Scalar, _ contents: String) throws(Obstacle) -> Bool {
    let code = sd_bus_message_enter_container(message, CChar(UInt8(ascii: kind)), contents)
    if code < 0 { throw nonsense }
    return code > 0
  }

  private func text(_ kind: UInt8) throws(Obstacle) -> String {
    var text: UnsafePointer<CChar>?
    guard sd_bus_message_read_basic(message, CChar(kind), &text) > 0, let text else { throw nonsense }
    return String(cString: text)
  }

  private var nonsense: Obstacle { Obstacle(.malformed, at: place, "the answer makes no sense") }
}

extension Obstacle {
  private static let detailLimit = 512

  /// What libsystemd reports of the connection itself.
  ///
  /// - Parameter code: positive.
  static func bus(_ code: Int32, at place: String) -> Obstacle {
    let kind: Kind
    switch code {
    case ETIMEDOUT, ETIME: kind = .timedOut
    case ENOENT, ECONNREFUSED, ECONNRESET, ECONNABORTED, ENOTCONN, EPIPE, ESHUTDOWN, EAGAIN: kind = .unreachable
    case EBADMSG, EPROTO: kind = .malformed
    default: return .system(code, at: place)
    }
    return Obstacle(kind, at: place, system(code, at: place).detail)
  }

  /// What the other side answers, by the name of its error.
  static func bus(_ name: String, _ message: String, at place: String) -> Obstacle {
    let kind: Kind =
      switch name {
      case "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked": .notConfigured
      case "org.freedesktop.systemd1.LoadFailed", "org.freedesktop.systemd1.BadUnitSetting": .malformed
      case "org.freedesktop.systemd1.TransactionIsDestructive",
        "org.freedesktop.systemd1.TransactionJobsConflicting", "org.freedesktop.systemd1.ShuttingDown":
        .conflict
      case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.AuthFailed",
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
        .permissionDenied
      case "org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.TimedOut",
        "org.freedesktop.DBus.Error.NoReply":
        .timedOut
      case "org.freedesktop.DBus.Error.Disconnected", "org.freedesktop.DBus.Error.NoServer",
        "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
        .unreachable
      case "org.freedesktop.DBus.Error.LimitsExceeded", "org.freedesktop.DBus.Error.NoMemory": .busy
      default: .inputOutput
      }
    let words = JournalText.oneLine(message, limit: detailLimit)
    return Obstacle(kind, at: place, words.isEmpty ? name : words)
  }
}
