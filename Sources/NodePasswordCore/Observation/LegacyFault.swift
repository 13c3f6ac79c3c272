/// Why K3s cannot read `cred/node-passwd`: one such line, and it refuses every join (k3s-facts 2.1).
package struct LegacyFault: Hashable, Sendable, CustomStringConvertible {
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    case bareQuote = "a quote in a field that does not begin with one"
    case misplacedQuote = "a quoted field that does not end where it should"
    case tooFewColumns = "fewer than two columns"
    /// K3s 0.7 to 0.10 alone.
    case uneven = "another number of columns than in the first row"
  }

  /// Counted from 1.
  package var line: Int
  package var kind: Kind

  package init(line: Int, kind: Kind) {
    self.line = line
    self.kind = kind
  }

  package var description: String { "line \(line): \(kind.rawValue)" }
}
