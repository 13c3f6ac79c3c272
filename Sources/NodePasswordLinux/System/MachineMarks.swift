import Glibc
import NodePasswordCore

/// What tells this machine from its clones, and *here* from *elsewhere* (design 5, 7).
struct MachineMarks {
  let paths: Paths

  var identity: MachineIdentity {
    MachineIdentity(
      hardware: hardware, machineID: machineID ?? "",
      bootID: WholeFile.word(paths.absolute("/proc/sys/kernel/random/boot_id"))
        ?? WholeFile.word("/proc/sys/kernel/random/boot_id") ?? "",
      addresses: Self.addresses)
  }

  private var machineID: String? { WholeFile.word(paths.absolute("/etc/machine-id")) }

  /// Unreadable is not absent: an identity that may be there must not be replaced by a weaker one.
  private var hardware: Observed<String> {
    let product = paths.absolute("/sys/class/dmi/id/product_uuid")
    switch WholeFile.read(product, limit: 256) {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present:
      if let uuid = WholeFile.word(product)?.lowercased(), Self.isUnique(uuid) { return .present("dmi:\(uuid)") }
    case .absent: break
    }
    for path in ["/proc/device-tree/serial-number", "/sys/firmware/devicetree/base/serial-number"] {
      if let serial = WholeFile.word(paths.absolute(path)), Self.isUnique(serial) { return .present("dt:\(serial)") }
    }
    guard let machineID else { return .absent }
    return .present("machine-id:\(machineID)")
  }

  /// Boards that were never given a number answer with filler.
  private static func isUnique(_ text: String) -> Bool {
    let digits = text.lowercased().filter { $0.isHexDigit }
    let filler = ["03000200040005000006000700080009", "12345678123456781234567812345678"]
    return Set(digits).count > 2 && !filler.contains(digits) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
  }

  static var hostName: String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The addresses of all interfaces but loopback; loopback's where there is nothing else.
  static var addresses: [String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var outside: [String] = []
    var loopback: [String] = []
    var next = list
    while let interface = next?.pointee {
      next = interface.ifa_next
      guard let text = text(of: interface) else { continue }
      if interface.ifa_flags & UInt32(IFF_LOOPBACK) != 0 {
        loopback.append(text)
      } else {
        outside.append(text)
      }
    }
    return outside.isEmpty ? loopback : outside
  }

  private static func text(of interface: ifaddrs) -> String? {
    guard let address = interface.ifa_addr else { return nil }
    let size: socklen_t
    switch Int32(address.pointee.sa_family) {
    case AF_INET: size = socklen_t(MemoryLayout<sockaddr_in>.size)
    case AF_INET6: size = socklen_t(MemoryLayout<sockaddr_in6>.size)
    default: return nil
    }
    var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard getnameinfo(address, size, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST) == 0 else { return nil }
    // Without the zone of a link-local address, which Kubernetes does not write either.
    let name = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return String(decoding: name.prefix { $0 != UInt8(ascii: "%") }, as: UTF8.self)
  }
}
