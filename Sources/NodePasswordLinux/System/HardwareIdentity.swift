import NodePasswordCore

/// What makes a machine this machine: its board's identifier, and the machine-id only where there is none (design 7).
package enum HardwareIdentity {
  /// What makers write who have no UUID to write; every one of them is on many machines.
  private static let dummies: Set<String> = [
    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc", "12345678-1234-1234-1234-123456789abc",
  ]

  static func read(root: String) -> Observed<String> {
    switch FactFile.line(root + "/sys/class/dmi/id/product_uuid") {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let text): if let name = named(dmi: text) { return .present(name) }
    case .absent: break
    }
    for path in ["/proc/device-tree/serial-number", "/sys/firmware/devicetree/base/serial-number"] {
      switch FactFile.line(root + path) {
      case .unknown(let obstacle): return .unknown(obstacle)
      case .present(let text): if let name = named(deviceTree: text) { return .present(name) }
      case .absent: break
      }
    }
    switch FactFile.line(root + "/etc/machine-id") {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let text): return isMachineID(text) ? .present("machine-id:\(text)") : .absent
    case .absent: return .absent
    }
  }

  /// `nil` for what is no UUID or not this board's alone.
  package static func named(dmi text: String) -> String? {
    let uuid = text.lowercased()
    let digits = uuid.filter { $0 != "-" }
    guard digits.count == 32, digits.allSatisfy(\.isHexDigit), Set(digits).count > 1, !dummies.contains(uuid) else {
      return nil
    }
    return "dmi:\(uuid)"
  }

  package static func named(deviceTree text: String) -> String? {
    let isPlain = text.unicodeScalars.allSatisfy { $0.isASCII && $0.value > 0x20 }
    return text.isEmpty || !isPlain || Set(text).count == 1 ? nil : "dt:\(text)"
  }

  /// 32 hex digits (machine-id(5)); `uninitialized` while an image is being made.
  package static func isMachineID(_ text: String) -> Bool {
    text.utf8.count == 32 && text.allSatisfy(\.isHexDigit)
  }
}
