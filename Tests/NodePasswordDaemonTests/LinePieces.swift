/// What is made of a line by cutting it anywhere, or by a byte more before or behind it.
enum LinePieces {
  static func all(of line: String) -> [[UInt8]] {
    let bytes = Array(line.utf8)
    let cut = bytes.indices.flatMap { length in
      [Array(bytes.prefix(length))] + (length == 0 ? [] : [Array(bytes.dropFirst(length))])
    }
    return cut + (UInt8.min...UInt8.max).flatMap { [[$0] + bytes, bytes + [$0]] }
  }
}
