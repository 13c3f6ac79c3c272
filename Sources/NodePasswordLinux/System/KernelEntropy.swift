import Glibc
import NodePasswordDaemon

/// Randomness from the kernel (getentropy(3)).
package struct KernelEntropy: Entropy {
  package init() {}

  package func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let isFilled = bytes.withUnsafeMutableBytes { buffer in
      // More than 256 bytes at once are refused.
      stride(from: 0, to: buffer.count, by: 256).allSatisfy { start in
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<min(start + 256, buffer.count)])
        return part.baseAddress.map { getentropy($0, part.count) == 0 } ?? true
      }
    }
    // A kernel without getrandom(2); Swift's own generator knows another way.
    if !isFilled {
      var generator = SystemRandomNumberGenerator()
      for index in bytes.indices { bytes[index] = .random(in: .min ... .max, using: &generator) }
    }
    return bytes
  }
}
