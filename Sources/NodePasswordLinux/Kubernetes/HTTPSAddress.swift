/// Host and port of an `https://` URL.
struct HTTPSAddress: Hashable, Sendable, CustomStringConvertible {
  /// What is wrong with a URL, after its name. Never repeats it: it may hold credentials.
  struct Fault: Error {
    let words: String
  }

  /// An IPv6 address is without its brackets.
  let host: String
  let port: Int

  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  init(_ url: String) throws(Fault) {
    guard url.hasPrefix("https://") else { throw Fault(words: "must start with https://") }
    var rest = url.dropFirst("https://".count).prefix { $0 != "/" }
    let host: Substring
    if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
      host = rest[rest.index(after: rest.startIndex)..<end]
      rest = rest[rest.index(after: end)...]
    } else {
      host = rest.prefix { $0 != ":" }
      rest = rest.dropFirst(host.count)
    }
    guard Self.isHost(host), rest.isEmpty || rest.hasPrefix(":") else { throw Fault(words: "is no address") }
    guard let port = rest.isEmpty ? 443 : Int(rest.dropFirst()), (1...65_535).contains(port) else {
      throw Fault(words: "has no usable port")
    }
    self.init(host: String(host), port: port)
  }

  private static func isHost(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "@") }
  }

  /// As it stands in a URL.
  var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
