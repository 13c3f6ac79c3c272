/// Names for people: some of them, and how many more.
package enum NameList {
  package static let shown = 5

  package static func list(_ names: some Collection<String>) -> String {
    names.prefix(shown).joined(separator: ", ") + more(names.count - shown)
  }

  /// What follows those that are named; nothing where there are no more.
  package static func more(_ count: Int) -> String { count > 0 ? " and \(count) more" : "" }
}
