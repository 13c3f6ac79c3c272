/// The name of a node as Kubernetes knows it: a lower-case RFC 1123 subdomain of at most 253 characters.
///
/// K3s lower-cases whatever it was given (k3s-facts 1.3), so two spellings are one name here too.
package struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
  package static let lengthLimit = 253

  package let rawValue: String

  /// Lower-cases `text`; `nil` where the API server would refuse the result as an object's name.
  package init?(_ text: String) {
    let name = text.lowercased()
    guard !name.isEmpty, name.utf8.count <= Self.lengthLimit else { return nil }
    let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard labels.allSatisfy(Self.isLabel) else { return nil }
    rawValue = name
  }

  private static func isLabel(_ label: Substring.UTF8View.SubSequence) -> Bool {
    guard let first = label.first, let last = label.last else { return false }
    return isAlphanumeric(first) && isAlphanumeric(last)
      && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  package var description: String { rawValue }

  package static func < (left: NodeName, right: NodeName) -> Bool { left.rawValue < right.rawValue }
}
