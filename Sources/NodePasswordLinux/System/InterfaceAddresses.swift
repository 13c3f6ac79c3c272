import Glibc

/// The addresses of this machine's interfaces.
enum InterfaceAddresses {
  /// IPv4 and IPv6, sorted, each once; loopback only where there is nothing else. Empty where the kernel does not tell.
  static func read() -> [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: (outer: Set<String>, loopback: Set<String>) = ([], [])
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, let text = text(of: address) else { continue }
      if entry.ifa_flags & UInt32(IFF_LOOPBACK) != 0 {
        found.loopback.insert(text)
      } else {
        found.outer.insert(text)
      }
    }
    return (found.outer.isEmpty ? found.loopback : found.outer).sorted()
  }

  private static func text(of address: UnsafeMutablePointer<sockaddr>) -> String? {
    let raw = UnsafeRawPointer(address)
    let family = Int32(address.pointee.sa_family)
    switch family {
    case AF_INET:
      var bytes = raw.loadUnaligned(as: sockaddr_in.self).sin_addr
      return text(family, &bytes)
    case AF_INET6:
      var bytes = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
      return text(family, &bytes)
    default: return nil
    }
  }

  private static func text(_ family: Int32, _ bytes: UnsafeRawPointer) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
      guard let start = buffer.baseAddress, inet_ntop(family, bytes, start, socklen_t(INET6_ADDRSTRLEN)) != nil else {
        return nil
      }
      return String(cString: start)
    }
  }
}
