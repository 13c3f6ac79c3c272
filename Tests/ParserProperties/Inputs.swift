/// Takes an input apart that stands for several values: a few small choices, then the texts.
struct Choices {
  private var rest: ArraySlice<UInt8>

  /// Parts two texts in one input. No UTF-8 text has it.
  static let border: UInt8 = 0xfe

  init(_ input: [UInt8]) { rest = input[...] }

  /// Below `count`; 0 where the input has ended.
  mutating func choice(_ count: Int) -> Int { rest.popFirst().map { Int($0) % count } ?? 0 }

  mutating func isChosen() -> Bool { choice(2) == 1 }

  /// A short one, its length first.
  mutating func bytes(atMost limit: Int) -> [UInt8] {
    let taken = rest.prefix(choice(limit + 1))
    rest = rest.dropFirst(taken.count)
    return Array(taken)
  }

  mutating func number() -> UInt64 {
    (0..<8).reduce(UInt64(0)) { number, _ in number << 8 | UInt64(rest.popFirst() ?? 0) }
  }

  /// All that is left, in so many parts; those that are not there are empty.
  mutating func parts(_ count: Int) -> [[UInt8]] {
    let parts = rest.split(separator: Self.border, maxSplits: count - 1, omittingEmptySubsequences: false).map(
      Array.init)
    rest = []
    return parts + Array(repeating: [], count: max(0, count - parts.count))
  }

  mutating func all() -> [UInt8] { parts(1)[0] }

  mutating func element<Element>(of elements: [Element]) -> Element { elements[choice(elements.count)] }
}

extension [UInt8] {
  /// Its lines, as editors count them: one more than there are line feeds.
  var lineCount: Int { reduce(1) { $0 + ($1 == 0x0a ? 1 : 0) } }

  var text: String { String(decoding: self, as: UTF8.self) }
}

extension ParserProperty {
  /// One input made of the examples: changed, cut, joined, or with words of the grammar put in.
  package func mutant(_ generator: inout some RandomNumberGenerator) -> [UInt8] {
    var input = examples.randomElement(using: &generator) ?? []
    for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&input, &generator) }
    return input
  }

  private func mutate(_ input: inout [UInt8], _ generator: inout some RandomNumberGenerator) {
    let place = Int.random(in: 0...input.count, using: &generator)
    let end = min(input.count, place + Int.random(in: 0...8, using: &generator))
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: if place < input.count { input[place] = UInt8.random(in: .min ... .max, using: &generator) }
    case 1: input.insert(UInt8.random(in: .min ... .max, using: &generator), at: place)
    case 2: input.removeSubrange(place..<end)
    case 3: input.insert(contentsOf: input[place..<end], at: place)
    case 4: input.insert(contentsOf: Array((words.randomElement(using: &generator) ?? "").utf8), at: place)
    default:
      let other = examples.randomElement(using: &generator) ?? []
      let from = Int.random(in: 0...other.count, using: &generator)
      input = Array(input[..<place] + other[from...])
    }
  }

  /// The examples and so many mutants of them.
  ///
  /// - Returns: the first that breaks the property, and how; `nil`: none.
  package func firstBreach(mutants: Int, seed: UInt64) -> (input: [UInt8], words: String)? {
    var generator = SeededGenerator(seed: seed)
    for index in 0..<(examples.count + mutants) {
      let input = index < examples.count ? examples[index] : mutant(&generator)
      do { try check(input) } catch { return (input, "\(error)") }
    }
    return nil
  }
}

/// The same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var number = state
    number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
    number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
    return number ^ (number >> 31)
  }
}
