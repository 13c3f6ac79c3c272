import NodePasswordCore

/// The words a policy's values are made of, and what is wrong with one.
enum PolicyWords {
  /// `250ms`, `90s`, `10m`, `1h`, `7d`: one number, one unit.
  static func duration(_ text: String) -> Duration? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, digits.count <= 9, let value = Int64(digits) else { return nil }
    switch text.dropFirst(digits.count) {
    case "ms": return .milliseconds(value)
    case "s": return .seconds(value)
    case "m": return .seconds(value * 60)
    case "h": return .seconds(value * 3600)
    case "d": return .seconds(value * 86_400)
    default: return value == 0 && digits.count == text.count ? .zero : nil
    }
  }

  /// `30%`.
  static func percent(_ text: String) -> Int? {
    guard text.hasSuffix("%"), let value = Int(text.dropLast()), (1...100).contains(value) else { return nil }
    return value
  }

  /// What is wrong with a single value of this shape; `nil`: nothing.
  static func checker(of shape: PolicyKey.Shape) -> (String) -> String? {
    switch shape {
    case .exactly(let word): { $0 == word ? nil : "must be `\(word)`, not `\($0)`" }
    case .choice(let words): { objection(to: $0, notIn: words) }
    case .count(let range):
      { text in
        guard let value = Int(text) else { return "must be a whole number, not `\(text)`" }
        return range.contains(value) ? nil : "must be \(range.lowerBound) to \(range.upperBound), not \(value)"
      }
    case .percent: { percent($0) == nil ? "must be 1% to 100%, not `\($0)`" : nil }
    case .duration(let range):
      { text in
        guard let value = duration(text) else {
          return "must be a number with a unit (ms, s, m, h, d), as in 250ms or 10m, not `\(text)`"
        }
        return range.contains(value)
          ? nil : "must be \(range.lowerBound.spelled) to \(range.upperBound.spelled), not \(text)"
      }
    case .text: { $0.isEmpty ? "must not be empty" : nil }
    case .templateUnit: objectionToTemplate
    case .texts, .choices, .labels, .sourceAddress, .section, .sections: { _ in nil }
    }
  }

  static func objection(to word: String, notIn words: [String]) -> String? {
    if words.contains(word) { return nil }
    if let near = nearest(to: word, in: words) { return "`\(word)` is not known here; did you mean `\(near)`?" }
    return "`\(word)` is not known here; choose from: \(words.joined(separator: ", "))"
  }

  private static func objectionToTemplate(_ text: String) -> String? {
    let name = text.hasSuffix("@.service") ? text.dropLast(9) : ""
    let isPlain =
      !name.isEmpty && name.utf8.count <= 200
      && name.allSatisfy { character in
        character.isASCII && (character.isLetter || character.isNumber || ":_.-".contains(character))
      }
    return text == "none" || isPlain
      ? nil : "must be a template unit, as in nodepassd-alert@.service, or none, not `\(text)`"
  }

  static func objectionToNetwork(_ text: String) -> String? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let length = Int(parts[1]) else { return "`\(text)` is no network, as in 10.0.0.0/8" }
    let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    if octets.count == 4, !octets.contains(nil) {
      return (0...32).contains(length) ? nil : "`\(text)`: the length must be 0 to 32"
    }
    let groups = parts[0].split(separator: ":", omittingEmptySubsequences: false)
    let isHex = groups.allSatisfy { $0.isEmpty || ($0.count <= 4 && UInt16($0, radix: 16) != nil) }
    guard (3...9).contains(groups.count), isHex,
      groups.count == 8 || groups.dropFirst().dropLast().contains("") || parts[0] == "::"
    else {
      return "`\(text)` is no network, as in 10.0.0.0/8 or fd00::/8"
    }
    return (0...128).contains(length) ? nil : "`\(text)`: the length must be 0 to 128"
  }

  /// The known word that was most likely meant; `nil` where none is near.
  static func nearest(to word: String, in known: [String]) -> String? {
    let best = known.map { ($0, distance(word.lowercased(), $0.lowercased())) }.min { $0.1 < $1.1 }
    guard let best, best.1 <= max(2, word.count / 4) else { return nil }
    return best.0
  }

  /// Insertions, deletions, exchanges and swaps of neighbours that lead from one word to the other.
  private static func distance(_ first: String, _ second: String) -> Int {
    let a = Array(first.utf8.prefix(64))
    let b = Array(second.utf8.prefix(64))
    var rows = [Array(0...b.count)]
    for i in 1...max(1, a.count) where !a.isEmpty {
      var row = [i]
      for j in 1...max(1, b.count) where !b.isEmpty {
        var cost = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { cost = min(cost, rows[i - 2][j - 2] + 1) }
        row.append(cost)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
