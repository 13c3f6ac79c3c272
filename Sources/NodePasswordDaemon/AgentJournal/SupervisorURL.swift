import NodePasswordCore

/// An address that the agent asks its supervisor at, as its log spells it (k3s-facts 1.6).
struct SupervisorURL: Hashable {
  enum Resource: Hashable {
    /// `/cacerts`.
    case authorities
    /// `/v1-k3s/config`.
    case configuration
    /// `/v1-k3s/serving-kubelet.crt` and its like, by the file's name.
    case file(String)
  }

  /// The one of the path; `nil` for `/cacerts`, which both have.
  let distribution: Distribution?
  let resource: Resource

  /// What the node password is asked for: `node.crt` until v0.6.
  static let certificates = ["serving-kubelet.crt", "client-kubelet.crt", "node.crt"]

  var isCertificate: Bool {
    if case .file(let name) = resource { Self.certificates.contains(name) } else { false }
  }

  private static let scheme = "https://"

  /// `https://127.0.0.1:6444/v1-k3s/config`.
  static func take(_ text: inout TextScanner) -> SupervisorURL? {
    guard text.take(scheme), takePeer(&text) else { return nil }
    if text.take("/cacerts") { return SupervisorURL(distribution: nil, resource: .authorities) }
    for distribution in Distribution.allCases where text.take(distribution.supervisorPrefix + "/") {
      if text.take("config") { return SupervisorURL(distribution: distribution, resource: .configuration) }
      return takeFile(&text).map { SupervisorURL(distribution: distribution, resource: .file($0)) }
    }
    return nil
  }

  /// The server as the operator named it: `https://10.0.0.1:6443`, the port and a slash behind it as he liked.
  static func takeServer(_ text: inout TextScanner) -> Bool {
    guard text.take(scheme), takeHost(&text) else { return false }
    // A colon may also be what follows the address.
    var attempt = text
    if attempt.take(":"), attempt.takePort() { text = attempt }
    _ = text.take("/")
    return true
  }

  /// `10.0.0.1:6443`, `[fd00::1]:6443`, `server.example.org:6443`.
  static func takePeer(_ text: inout TextScanner) -> Bool {
    takeHost(&text) && text.take(":") && text.takePort()
  }

  static func takeHost(_ text: inout TextScanner) -> Bool {
    if text.take("[") {
      let address = text.takeAll { TextScanner.isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
      return 2...45 ~= address.count && address.contains(UInt8(ascii: ":")) && text.take("]")
    }
    let name = text.takeAll { TextScanner.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    guard 1...253 ~= name.count, let first = name.first, let last = name.last else { return false }
    return TextScanner.isAlphanumeric(first) && TextScanner.isAlphanumeric(last)
  }

  private static func takeFile(_ text: inout TextScanner) -> String? {
    let stem = text.takeAll { TextScanner.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    guard 1...64 ~= stem.count, let suffix = text.takeOne(of: [".crt", ".key"]) else { return nil }
    return String(decoding: stem, as: UTF8.self) + suffix
  }
}
