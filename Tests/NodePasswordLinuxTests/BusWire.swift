import Foundation

/// D-Bus messages as bytes, little-endian, as far as the tests need them (D-Bus specification, Message Protocol).
enum BusValue: Sendable {
  case string(String)
  case path(String)
  case number(UInt32)
  /// A variant that holds a number.
  case boxed(UInt32)
  /// As before, of 64 bits.
  case boxedLong(UInt64)
  /// Rows of `ListUnitsByNames`: name, load state, activity, path.
  case units([(name: String, load: String, activity: String, path: String)])

  var signature: String {
    switch self {
    case .string: "s"
    case .path: "o"
    case .number: "u"
    case .boxed, .boxedLong: "v"
    case .units: "a(ssssssouso)"
    }
  }
}

struct BusWriter {
  var bytes: [UInt8] = []

  mutating func align(_ size: Int) { while bytes.count % size != 0 { bytes.append(0) } }

  mutating func number(_ value: UInt32) {
    align(4)
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(value >> UInt32(shift) & 255)) }
  }

  mutating func string(_ text: String) {
    number(UInt32(text.utf8.count))
    bytes += Array(text.utf8) + [0]
  }

  mutating func signature(_ text: String) { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) + [0] }

  mutating func value(_ value: BusValue) {
    switch value {
    case .string(let text), .path(let text): string(text)
    case .number(let value): number(value)
    case .boxed(let value):
      signature("u")
      number(value)
    case .boxedLong(let value):
      signature("t")
      align(8)
      withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    case .units(let rows):
      number(0)
      let length = bytes.count - 4
      align(8)
      let start = bytes.count
      for row in rows {
        align(8)
        for text in [row.name, "A unit", row.load, row.activity, "running", "", row.path] { string(text) }
        number(0)
        for text in ["", "/"] { string(text) }
      }
      var size = BusWriter()
      size.number(UInt32(bytes.count - start))
      bytes.replaceSubrange(length..<length + 4, with: size.bytes)
    }
  }

  /// - Parameter fields: header fields by code, as strings; `REPLY_SERIAL` (5) as a number.
  static func message(
    _ kind: UInt8, serial: UInt32, _ fields: [(code: UInt8, value: BusValue)], _ body: [BusValue]
  ) -> [UInt8] {
    var content = BusWriter()
    for value in body { content.value(value) }
    var header = BusWriter()
    header.bytes = [UInt8(ascii: "l"), kind, 0, 1]
    header.number(UInt32(content.bytes.count))
    header.number(serial)
    header.number(0)
    for field in fields {
      header.align(8)
      header.bytes.append(field.code)
      header.signature(field.value.signature)
      header.value(field.value)
    }
    if !body.isEmpty {
      header.align(8)
      header.bytes.append(8)
      header.signature("g")
      header.signature(body.map(\.signature).joined())
    }
    var size = BusWriter()
    size.number(UInt32(header.bytes.count - 16))
    header.bytes.replaceSubrange(12..<16, with: size.bytes)
    header.align(8)
    return header.bytes + content.bytes
  }
}

/// A method call that came in.
struct BusRequest: Sendable {
  var serial: UInt32 = 0
  var member = ""
  /// All strings of the body, in order.
  var arguments: [String] = []

  /// Takes one whole message from the front; `nil` where it is not all there yet.
  static func take(_ bytes: inout [UInt8]) -> BusRequest? {
    guard bytes.count >= 16 else { return nil }
    var reader = BusReader(bytes: bytes, offset: 4)
    let bodySize = Int(reader.number())
    var request = BusRequest(serial: reader.number())
    let headerEnd = Int(reader.number()) + 16
    let bodyStart = (headerEnd + 7) / 8 * 8
    guard bytes.count >= bodyStart + bodySize else { return nil }
    var signature = ""
    while reader.offset < headerEnd {
      reader.align(8)
      let code = reader.byte()
      let kind = reader.signature()
      switch kind {
      case "g": signature = reader.signature()
      case "u": _ = reader.number()
      default:
        let text = reader.string()
        if code == 3 { request.member = text }
      }
    }
    reader.offset = bodyStart
    if signature == "as" { _ = reader.number() }
    while reader.offset < bodyStart + bodySize { request.arguments.append(reader.string()) }
    bytes.removeFirst(bodyStart + bodySize)
    return request
  }
}

private struct BusReader {
  let bytes: [UInt8]
  var offset: Int

  mutating func align(_ size: Int) { offset = (offset + size - 1) / size * size }

  mutating func byte() -> UInt8 {
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func number() -> UInt32 {
    align(4)
    defer { offset += 4 }
    return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
  }

  mutating func string() -> String { text(Int(number())) }

  mutating func signature() -> String { text(Int(byte())) }

  private mutating func text(_ size: Int) -> String {
    defer { offset += size + 1 }
    return String(decoding: bytes[offset..<offset + size], as: UTF8.self)
  }
}
