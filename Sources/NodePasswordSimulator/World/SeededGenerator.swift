/// The same numbers for the same seed (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The seed is mixed first: neighbours would else be the same sequence, one step apart.
  package init(seed: UInt64) { state = Self.mix(seed &+ 0x1234_5678) }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
  }

  private static func mix(_ word: UInt64) -> UInt64 {
    var mixed = word
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

  mutating func span(_ milliseconds: ClosedRange<Int>) -> Duration {
    .milliseconds(Int.random(in: milliseconds, using: &self))
  }
}

/// Quick and injective enough for a pretence, and nothing else: no cryptography.
enum PretendScrypt {
  static func derive(_ password: some Sequence<UInt8>, _ salt: [UInt8], _ length: Int) -> [UInt8] {
    var first: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in salt { first = (first ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for byte in password { first = (first ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    var generator = SeededGenerator(seed: first)
    return (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }
}
