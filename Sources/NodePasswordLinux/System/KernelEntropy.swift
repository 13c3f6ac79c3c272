import NodePasswordDaemon

/// Randomness from the kernel: Swift's generator reads `getrandom(2)` on Linux.
package struct KernelEntropy: Entropy {
  package init() {}

  package func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}
