import Glibc

/// Writes a journal file by itself (systemd's JOURNAL_FILE_FORMAT): entries of any unit, boot and time, and on any
/// machine, for what a journald cannot be made to say.
package final class WrittenJournal {
  /// This boot's; empty where it cannot be read.
  package static let bootID = kernelBootID()

  private static let headerSize = 256
  private static let buckets = 512
  private static let fileID = [UInt8](1...16)

  package let path: String
  private var image = [UInt8](repeating: 0, count: headerSize)
  private var dataOffsets: [[UInt8]: Int] = [:]
  private var fieldOffsets: [[UInt8]: Int] = [:]
  /// The last array of each chain, by the place that its head stands at.
  private var lastArrays: [Int: (offset: Int, used: Int, capacity: Int)] = [:]
  private var sequence: UInt64

  /// - Parameter after: entries of an earlier file of the same journal.
  package init(_ path: String, after sequence: UInt64 = 0) throws {
    self.path = path
    self.sequence = sequence
    image.replaceSubrange(0..<8, with: Array("LPKSHHRH".utf8))
    put32(1 << 2, at: 12)  // keyed hash
    image[16] = 1  // online
    image.replaceSubrange(24..<40, with: Self.fileID)
    image.replaceSubrange(40..<56, with: Self.bytes(ofID: "0123456789abcdef0123456789abcdef"))
    image.replaceSubrange(72..<88, with: Self.fileID)
    put(UInt64(Self.headerSize), at: 88)
    for (type, place) in [(UInt8(4), 104), (5, 120)] {
      let table = object(type, size: 16 + Self.buckets * 16)
      put(UInt64(table + 16), at: place)
      put(UInt64(Self.buckets * 16), at: place + 8)
    }
    try save()
  }

  package var entries: UInt64 { sequence }

  /// Adds an entry; nobody sees it before `save`.
  ///
  /// - Parameter monotonic: microseconds since that boot.
  package func append(_ fields: [String], monotonic: UInt64, boot: String = bootID) {
    sequence += 1
    let payloads = (fields + ["_BOOT_ID=\(boot)"]).map { Array($0.utf8) }
    let items = payloads.map { (offset: data($0), hash: Self.hash($0)) }.sorted { $0.offset < $1.offset }
    let entry = object(3, size: 64 + items.count * 16)
    let realtime = UInt64(StandIn.now.nanoseconds / 1000)
    put(sequence, at: entry + 16)
    put(realtime, at: entry + 24)
    put(monotonic, at: entry + 32)
    image.replaceSubrange(entry + 40..<entry + 56, with: Self.bytes(ofID: boot))
    put(items.reduce(0) { $0 ^ $1.hash }, at: entry + 56)
    for (index, item) in items.enumerated() {
      put(UInt64(item.offset), at: entry + 64 + index * 16)
      put(item.hash, at: entry + 72 + index * 16)
      let count = get(item.offset + 56)
      if count == 0 { put(UInt64(entry), at: item.offset + 40) } else { link(entry, at: item.offset + 48) }
      put(count + 1, at: item.offset + 56)
    }
    link(entry, at: 176)
    let count = get(152)
    put(count + 1, at: 152)
    put(sequence, at: 160)
    if count == 0 {
      put(sequence, at: 168)
      put(realtime, at: 184)
    }
    put(realtime, at: 192)
    put(monotonic, at: 200)
    image.replaceSubrange(56..<72, with: Self.bytes(ofID: boot))
  }

  /// In place; the header, which tells of the rest, last.
  package func save() throws {
    put(UInt64(image.count - Self.headerSize), at: 96)
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o640)
    guard file >= 0 else { throw failure() }
    defer { close(file) }
    for range in [Self.headerSize..<image.count, 0..<Self.headerSize] {
      let written = image[range].withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(range.lowerBound)) }
      guard written == range.count else { throw failure() }
    }
  }

  private func failure() -> StandIn.StartFailure {
    StandIn.StartFailure(description: "Failed to write \(path): \(String(cString: strerror(errno)))")
  }

  // MARK: Objects

  private func object(_ type: UInt8, size: Int) -> Int {
    let offset = image.count
    image += [UInt8](repeating: 0, count: (size + 7) / 8 * 8)
    image[offset] = type
    put(UInt64(size), at: offset + 8)
    put(UInt64(offset), at: 136)
    put(get(144) + 1, at: 144)
    return offset
  }

  private func data(_ payload: [UInt8]) -> Int {
    if let known = dataOffsets[payload] { return known }
    let name = Array(payload.prefix { $0 != UInt8(ascii: "=") })
    let field = field(name)
    let data = object(1, size: 64 + payload.count)
    image.replaceSubrange(data + 64..<data + 64 + payload.count, with: payload)
    chain(data, Self.hash(payload), table: 104)
    put(get(field + 32), at: data + 32)
    put(UInt64(data), at: field + 32)
    put(get(208) + 1, at: 208)
    dataOffsets[payload] = data
    return data
  }

  private func field(_ name: [UInt8]) -> Int {
    if let known = fieldOffsets[name] { return known }
    let field = object(2, size: 40 + name.count)
    image.replaceSubrange(field + 40..<field + 40 + name.count, with: name)
    chain(field, Self.hash(name), table: 120)
    put(get(216) + 1, at: 216)
    fieldOffsets[name] = field
    return field
  }

  /// At the end of its bucket.
  private func chain(_ object: Int, _ hash: UInt64, table: Int) {
    put(hash, at: object + 16)
    let bucket = Int(get(table)) + Int(hash % UInt64(Self.buckets)) * 16
    let tail = Int(get(bucket + 8))
    put(UInt64(object), at: tail == 0 ? bucket : tail + 24)
    put(UInt64(object), at: bucket + 8)
  }

  /// At the end of a chain of arrays, each twice as long as the one before.
  private func link(_ entry: Int, at head: Int) {
    var last = lastArrays[head] ?? (0, 0, 0)
    if last.used == last.capacity {
      let capacity = max(4, last.capacity * 2)
      let array = object(6, size: 24 + capacity * 8)
      put(UInt64(array), at: last.capacity == 0 ? head : last.offset + 16)
      put(get(232) + 1, at: 232)
      last = (array, 0, capacity)
    }
    put(UInt64(entry), at: last.offset + 24 + last.used * 8)
    last.used += 1
    lastArrays[head] = last
  }

  // MARK: Bytes

  private func get(_ offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(image[offset + $1]) << (8 * UInt64($1)) }
  }

  private func put(_ value: UInt64, at offset: Int) {
    for index in 0..<8 { image[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
  }

  private func put32(_ value: UInt32, at offset: Int) {
    for index in 0..<4 { image[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
  }

  private static func kernelBootID() -> String {
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 64)
    let count = read(file, &text, text.count)
    return String(decoding: text.prefix(max(0, count)), as: UTF8.self).filter(\.isHexDigit)
  }

  private static func bytes(ofID text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: 32, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  /// SipHash-2-4 under the file's ID.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    func word(_ part: ArraySlice<UInt8>) -> UInt64 { part.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    let (first, second) = (word(fileID[0..<8]), word(fileID[8..<16]))
    var v0 = first ^ 0x736f_6d65_7073_6575
    var v1 = second ^ 0x646f_7261_6e64_6f6d
    var v2 = first ^ 0x6c79_6765_6e65_7261
    var v3 = second ^ 0x7465_6462_7974_6573
    func round() {
      func rotated(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
      v0 &+= v1
      v1 = rotated(v1, 13) ^ v0
      v0 = rotated(v0, 32)
      v2 &+= v3
      v3 = rotated(v3, 16) ^ v2
      v0 &+= v3
      v3 = rotated(v3, 21) ^ v0
      v2 &+= v1
      v1 = rotated(v1, 17) ^ v2
      v2 = rotated(v2, 32)
    }
    for start in stride(from: 0, through: bytes.count, by: 8) {
      let part = bytes[start..<min(start + 8, bytes.count)]
      var message = word(part)
      if part.count < 8 { message |= UInt64(truncatingIfNeeded: bytes.count) << 56 }
      v3 ^= message
      round()
      round()
      v0 ^= message
    }
    v2 ^= 0xff
    for _ in 0..<4 { round() }
    return v0 ^ v1 ^ v2 ^ v3
  }
}
