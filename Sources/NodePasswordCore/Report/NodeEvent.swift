/// An Event on a Node: what `kubectl describe node` shows of what was done and what is held. Never holds a Secret's uid: an
/// approval is bound to it.
package struct NodeEvent: Hashable, Sendable {
  package var node: NodeName
  /// The Node's, so that it is found; `nil`: not known.
  package var nodeUID: String?
  /// A word like `RemedyHeld`.
  package var reason: String
  /// What was or would be done: the remedy's word.
  package var action: String
  /// At most 1024 bytes: what the server calls characters (observed-k3s 12).
  package var note: String
  package var isWarning: Bool
  package var at: WallTime

  package static let noteLimit = 1_024

  package init(
    node: NodeName, nodeUID: String?, reason: String, action: String, note: String, isWarning: Bool, at: WallTime
  ) {
    self.node = node
    self.nodeUID = nodeUID
    self.reason = reason
    self.action = action
    self.note = Self.cut(note, to: Self.noteLimit)
    self.isWarning = isWarning
    self.at = at
  }

  /// The longest beginning of `text` of at most so many bytes, and of whole characters.
  package static func cut(_ text: String, to bytes: Int) -> String {
    guard text.utf8.count > bytes else { return text }
    var count = 0
    return String(
      text.prefix { character in
        count += character.utf8.count
        return count <= bytes
      })
  }
}
