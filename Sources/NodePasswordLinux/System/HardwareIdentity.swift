import NodePasswordCore

/// What makes a machine this machine: its board's identifier, and the machine-id only where there is none (design 7).
package enum HardwareIdentity {
  /// What makers write who have no UUID to write; every one of them is on many machines. Either order of bytes.
  private static let dummies = Set(
    [
      "03000200-0400-0500-0006-000700080009", "03020100-0504-0706-0809-0a0b0c0d0e0f",
      "00112233-4455-6677-8899-aabbccddeeff", "07090201-0103-0301-0807-060504030201",
      "12345678-1234-5678-90ab-cddeefaabbcc", "12345678-1234-1234-1234-123456789abc",
      "8e275844-178f-44a8-aceb-a7d7e5178c63", "890e2d14-cacd-45d1-ae66-bc80e8bfeb0f",
      "dc698397-fa54-4cf2-82c8-b1b5307a6a7f",
      // Dell's pattern around a service tag that was never set.
      "4c4c4544-0020-2010-8020-a0c04f202020", "4c4c4544-0000-2010-8020-80c04f202020",
    ].compactMap { bytes(of: $0).map(oneOrder) })

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
  ///
  /// The first three fields are stored little-endian from SMBIOS 2.6 on and big-endian before, and the kernel reads them by
  /// the version that the firmware claims: a new firmware, or a virtual machine's new hardware version (VMware 13, QEMU
  /// pc-2.2), turns the bytes of one and the same board around. So both orders are one name here, that of the greater
  /// text, which for most makers is the familiar one. Two boards whose UUIDs are each other's reverse do not exist.
  package static func named(dmi text: String) -> String? {
    guard let bytes = bytes(of: text), bytes.count == 16 else { return nil }
    // All the same, or a stamp in front of a filler.
    guard Set(bytes[4...]).count > 1 else { return nil }
    let uuid = oneOrder(bytes)
    return dummies.contains(uuid) ? nil : "dmi:\(written(uuid))"
  }

  private static func oneOrder(_ bytes: [UInt8]) -> [UInt8] {
    let turned = bytes[..<4].reversed() + bytes[4..<6].reversed() + bytes[6..<8].reversed() + bytes[8...]
    return turned.lexicographicallyPrecedes(bytes) ? bytes : Array(turned)
  }

  private static func bytes(of text: String) -> [UInt8]? {
    let digits = Array(text.filter { $0 != "-" })
    // A sign would pass for a digit below.
    guard digits.count == 32, digits.allSatisfy(\.isHexDigit) else { return nil }
    return stride(from: 0, to: 32, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
  }

  private static func written(_ bytes: [UInt8]) -> String {
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    let fields = [digits[..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10...]]
    return fields.map { $0.joined() }.joined(separator: "-")
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
