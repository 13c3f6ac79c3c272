/// A unit's name, as systemd takes it (systemd.unit(5)): a prefix, `@` and an instance where it has one, a known suffix.
package struct UnitName: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    case plain
    /// `name@.service`: cannot be started itself.
    case template
    case instance
  }

  /// Bytes, with the suffix.
  package static let sizeLimit = 255
  private static let types: Set<String> = [
    "service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope",
  ]

  package let text: String
  package let form: Form

  /// `nil` for what can be no unit's name.
  package init?(_ text: String) {
    guard text.utf8.count <= Self.sizeLimit, text.utf8.allSatisfy(Self.isAllowed),
      let dot = text.lastIndex(of: "."), Self.types.contains(String(text[text.index(after: dot)...]))
    else { return nil }
    let name = text[..<dot]
    let at = name.firstIndex(of: "@")
    guard !name.isEmpty, at != name.startIndex else { return nil }
    self.text = text
    form = at.map { name.index(after: $0) == name.endIndex ? .template : .instance } ?? .plain
  }

  package var description: String { text }

  /// Only a service has a main process.
  package var isService: Bool { text.hasSuffix(".service") }

  /// This template's instance of that name; `nil` where this is none, or the whole would be no name.
  package func instance(_ instance: String) -> UnitName? {
    guard form == .template, !instance.isEmpty, let at = text.firstIndex(of: "@") else { return nil }
    let behind = text.index(after: at)
    return UnitName(text[..<behind] + instance + text[behind...])
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "\\"),
      UInt8(ascii: "@"):
      true
    default: false
    }
  }
}
