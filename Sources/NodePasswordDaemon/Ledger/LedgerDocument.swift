import NodePasswordCore

/// The ledger as text, under `data.ledger` of its ConfigMap: `kubectl get configmap nodepassd-ledger -n kube-system -o yaml`
/// shows what all servers did.
///
/// ```
/// nodepassd-ledger 1
/// sequence 42
/// made 2026-11-22T22:00:35Z
/// act 2026-11-22T23:10:01.5Z begun edge-7 5f0c…-… reset-secret server-1 -
/// approval 2026-11-22T23:09:00Z edge-7 5f0c…-… server-1 - spent
/// peer edge-7 10.0.0.7 2026-11-22T23:09:58Z
/// enrolled edge-7 1
/// end 6 8f1d…
/// ```
package enum LedgerDocument {
  package static let title = "nodepassd-ledger"
  /// Stands for what is not there; no uid and no batch is spelled so.
  private static let none = "-"

  /// `.tooLarge` where it is beyond `Ledger.sizeLimit`: then it may not be written, and nothing may be done.
  package static func encode(_ ledger: Ledger) -> Result<String, Obstacle> {
    var rows = [["sequence", "\(ledger.sequence)"], ["made", RFC3339.text(ledger.madeAt)]]
    rows += ledger.acts.map { act in
      [
        "act", RFC3339.text(act.at), act.phase.rawValue, act.node.rawValue, act.secretUID ?? none, act.word, act.server,
        flags(act),
      ]
    }
    rows += ledger.approvals.map { approval in
      [
        "approval", RFC3339.text(approval.at), approval.node.rawValue, approval.secretUID, approval.server,
        approval.batch ?? none, approval.isSpent ? "spent" : "unspent",
      ]
    }
    for (name, seen) in ledger.peers.sorted(by: { $0.key < $1.key }) {
      rows += seen.map { ["peer", name.rawValue, $0.address, RFC3339.text($0.lastSeen)] }
    }
    rows += ledger.enrolled.sorted { $0.key < $1.key }.map { ["enrolled", $0.key.rawValue, "\($0.value)"] }
    let text = CheckedLines.encode(title, rows)
    guard text.utf8.count <= Ledger.sizeLimit else {
      return .failure(Obstacle(.tooLarge, at: title, "it would be larger than \(Ledger.sizeLimit) bytes"))
    }
    return .success(text)
  }

  private static func flags(_ act: Ledger.Act) -> String {
    switch (act.isApproved, act.isExempt) {
    case (false, false): none
    case (true, false): "approved"
    case (false, true): "exempt"
    case (true, true): "approved:exempt"
    }
  }

  /// Strict: a line that is unknown or makes no sense spoils the whole, since an act that is lost would give its budget back.
  package static func decode(_ text: String) throws(CheckedLines.Damage) -> Ledger {
    guard text.utf8.count <= Ledger.sizeLimit else {
      throw CheckedLines.Damage(line: 1, "it is larger than \(Ledger.sizeLimit) bytes")
    }
    let rows = try CheckedLines.decode(title, text)
    guard rows.count >= 2, rows[0].count == 2, rows[0][0] == "sequence", let sequence = CheckedLines.number(rows[0][1]),
      sequence <= Ledger.sequenceLimit
    else {
      throw CheckedLines.Damage(line: 2, "is no sequence")
    }
    guard rows[1].count == 2, rows[1][0] == "made", let made = RFC3339.parse(rows[1][1]) else {
      throw CheckedLines.Damage(line: 3, "does not say when it was made")
    }
    var ledger = Ledger(madeAt: made)
    ledger.sequence = sequence
    for (index, words) in rows.enumerated().dropFirst(2) where !take(words, into: &ledger) {
      throw CheckedLines.Damage(line: index + 2, "is none of a ledger's")
    }
    return ledger
  }

  private static func take(_ words: [String], into ledger: inout Ledger) -> Bool {
    switch words[0] {
    case "act":
      guard let act = act(words) else { return false }
      ledger.acts.append(act)
    case "approval":
      guard let approval = approval(words) else { return false }
      ledger.approvals.append(approval)
    case "peer":
      guard words.count == 4, let name = NodeName(exactly: words[1]), let time = RFC3339.parse(words[3]) else {
        return false
      }
      ledger.peers[name, default: []].append(Ledger.Peer(address: words[2], lastSeen: time))
    case "enrolled":
      guard words.count == 3, let name = NodeName(exactly: words[1]), let generation = CheckedLines.number(words[2]),
        generation <= UInt64(Int32.max), ledger.enrolled.updateValue(Int(generation), forKey: name) == nil
      else { return false }
    default: return false
    }
    return true
  }

  private static func act(_ words: [String]) -> Ledger.Act? {
    guard words.count == 8, let at = RFC3339.parse(words[1]), let phase = Act.Phase(rawValue: words[2]),
      let node = NodeName(exactly: words[3])
    else { return nil }
    var act = Ledger.Act(
      at: at, server: words[6], node: node, secretUID: words[4] == none ? nil : words[4], word: words[5], phase: phase)
    switch words[7] {
    case none: break
    case "approved": act.isApproved = true
    case "exempt": act.isExempt = true
    case "approved:exempt":
      act.isApproved = true
      act.isExempt = true
    default: return nil
    }
    return act
  }

  private static func approval(_ words: [String]) -> Ledger.Approval? {
    guard words.count == 7, let at = RFC3339.parse(words[1]), let node = NodeName(exactly: words[2]),
      ["spent", "unspent"].contains(words[6])
    else { return nil }
    return Ledger.Approval(
      node: node, secretUID: words[3], at: at, server: words[4], batch: words[5] == none ? nil : words[5],
      isSpent: words[6] == "spent")
  }
}

extension NodeName {
  /// As it is spelled in full, and no other spelling of it.
  init?(exactly text: String) {
    self.init(text)
    guard rawValue == text else { return nil }
  }
}
