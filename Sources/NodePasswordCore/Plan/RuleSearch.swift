/// Finds the rule for a drift: the first whose drift and nodes match, as in a firewall (design 6).
package enum RuleSearch {
  package enum Answer: Hashable, Sendable {
    case found(Rule)
    case none
    /// A selector needs a fact that is not known: the search ends here, since a later rule might be more daring.
    case needsUnknown(Rule, String)
  }

  package static func rule(for drift: Drift, _ circumstances: Circumstances) -> Answer {
    for rule in circumstances.policy.rules where rule.drift.contains(drift) && isMeant(rule, circumstances) {
      switch matches(rule.nodes, circumstances) {
      case .some(true): return .found(rule)
      case .some(false): continue
      case .none: return .needsUnknown(rule, unknownFact(rule.nodes, circumstances))
      }
    }
    return .none
  }

  /// What is built in is about this machine's own password; of other nodes only about those that are enrolled, whose passwords
  /// are known here.
  private static func isMeant(_ rule: Rule, _ circumstances: Circumstances) -> Bool {
    guard let other = circumstances.other, rule.origin == .builtIn else { return true }
    return other.enrolled != nil && rule.remedy == .replaceSecret
  }

  /// `nil`: not known. A part that surely does not match wins over one that is not known.
  private static func matches(_ selector: NodeSelector, _ circumstances: Circumstances) -> Bool? {
    var isUnknown = false
    for part in [
      matchesName(selector, circumstances), matchesRole(selector, circumstances),
      matchesLabels(selector, circumstances),
    ] {
      switch part {
      case .some(true): continue
      case .some(false): return false
      case .none: isUnknown = true
      }
    }
    return isUnknown ? nil : true
  }

  private static func unknownFact(_ selector: NodeSelector, _ circumstances: Circumstances) -> String {
    if matchesName(selector, circumstances) == nil { return "name" }
    return matchesRole(selector, circumstances) == nil ? "role" : "label"
  }

  private static func matchesName(_ selector: NodeSelector, _ circumstances: Circumstances) -> Bool? {
    guard !selector.names.isEmpty else { return true }
    guard let name = circumstances.nodeName else { return nil }
    return selector.names.contains { matches(name.rawValue, glob: $0.lowercased()) }
  }

  private static func matchesRole(_ selector: NodeSelector, _ circumstances: Circumstances) -> Bool? {
    guard !selector.roles.isEmpty else { return true }
    // An agent alone is a worker whatever its Node says; a server's roles stand on its Node only.
    if circumstances.other == nil, let installation = circumstances.installation, !installation.hasServerRole {
      return selector.roles.contains(.worker)
    }
    guard let roles = circumstances.node.roles else { return nil }
    return selector.roles.contains(where: roles.contains)
  }

  private static func matchesLabels(_ selector: NodeSelector, _ circumstances: Circumstances) -> Bool? {
    guard !selector.labels.isEmpty else { return true }
    guard let labels = circumstances.node.labels else { return nil }
    return selector.labels.allSatisfy { labels[$0.key] == $0.value }
  }

  /// `*` stands for any run of characters; everything else for itself.
  package static func matches(_ text: String, glob: String) -> Bool {
    let text = Array(text.utf8)
    let glob = Array(glob.utf8)
    var position = 0
    var pattern = 0
    var star: (pattern: Int, position: Int)?
    while position < text.count {
      if pattern < glob.count, glob[pattern] == UInt8(ascii: "*") {
        star = (pattern, position)
        pattern += 1
      } else if pattern < glob.count, glob[pattern] == text[position] {
        position += 1
        pattern += 1
      } else if let last = star {
        pattern = last.pattern + 1
        position = last.position + 1
        star = (last.pattern, last.position + 1)
      } else {
        return false
      }
    }
    return glob[pattern...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}

extension NodeMemory {
  /// By the labels that K3s and RKE2 set. `nil`: the Node has not been seen yet.
  package var roles: Set<NodeSelector.Role>? {
    guard let labels else { return nil }
    var roles: Set<NodeSelector.Role> = []
    if labels["node-role.kubernetes.io/control-plane"] != nil || labels["node-role.kubernetes.io/master"] != nil {
      roles.insert(.controlPlane)
    }
    if labels["node-role.kubernetes.io/etcd"] != nil { roles.insert(.etcd) }
    return roles.isEmpty ? [.worker] : roles
  }
}
