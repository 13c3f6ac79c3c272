/// What must hold of one parser whatever it is given. The tests try it with a table and with what they make of the table;
/// the fuzzer begins with the same table and goes wherever the parser's own branches lead it.
package struct ParserProperty: Sendable, CustomStringConvertible {
  package let name: String
  /// Inputs that mean something to the parser; those that once broke a property stay among them.
  package let examples: [[UInt8]]
  /// What its grammar is made of, for whoever changes inputs blindly.
  package let words: [String]
  private let body: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, words: [String] = [], examples: [[UInt8]], _ body: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.examples = examples
    self.words = words
    self.body = body
  }

  init(
    _ name: String, words: [String] = [], texts: [String], _ body: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.init(name, words: words, examples: texts.map { Array($0.utf8) }, body)
  }

  package var description: String { name }

  /// - Throws: `Broken` where the property does not hold.
  package func check(_ input: [UInt8]) throws { try body(input) }
}

/// A property that does not hold.
package struct Broken: Error, CustomStringConvertible {
  package let description: String
}

func require(_ condition: Bool, _ words: @autoclosure () -> String) throws {
  if !condition { throw Broken(description: words()) }
}

func require<Value>(_ value: Value?, _ words: @autoclosure () -> String) throws -> Value {
  guard let value else { throw Broken(description: words()) }
  return value
}

func same<Value: Equatable>(_ left: Value, _ right: Value, _ words: @autoclosure () -> String) throws {
  try require(left == right, "\(words()): \(left), not \(right)")
}

extension ParserProperty {
  /// Of the parsers that know no system.
  package static let daemon: [ParserProperty] =
    csv + legacyFiles + tokens + hashes + journalLines + yaml + policies + documents + times

  /// Of the parsers of what Linux, systemd and Kubernetes write.
  package static let linux: [ParserProperty] = passwordTexts + json + units + recordTexts + certificates

  package static let all = daemon + linux
}
