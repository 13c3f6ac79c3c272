import NodePasswordCore
import NodePasswordDaemon

extension FleetSetting {
  /// The servers have a fleet key, and the policy derives (design 7).
  package struct Key: Sendable {
    /// What the policy says about a machine whose password is derived.
    package enum Remedy: String, CaseIterable, Sendable {
      case replace, hold
    }

    /// Of the members, in percent, those whose provisioner has the key, too, or will have.
    package var share: Int
    /// Of them, in percent, those that joined before, with a password of their own.
    package var minted: Int
    package var remedy: Remedy
    /// The rule is for all names, also of machines that nobody derives a password for.
    package var coversAll: Bool

    init(share: Int, minted: Int, remedy: Remedy, coversAll: Bool) {
      self.share = share
      self.minted = minted
      self.remedy = remedy
      self.coversAll = coversAll
    }

    init(using random: inout SeededGenerator) {
      share = Int.random(in: 20...100, using: &random)
      minted = Int.random(in: 0...100, using: &random)
      remedy = random.chance(80) ? .replace : .hold
      coversAll = random.chance(40)
    }
  }

  /// What the names of those begin with whose provisioner has the key, or will have.
  static let keyedPrefix = "keyed-"

  /// The rule about the fleet key is this name's.
  func keyCovers(_ name: NodeName) -> Bool {
    key.map { $0.coversAll || name.rawValue.hasPrefix(Self.keyedPrefix) } ?? false
  }

  var keyRule: String {
    guard let key else { return "" }
    let nodes = key.coversAll ? "" : "    nodes: { names: [\"\(Self.keyedPrefix)*\"] }\n"
    switch key.remedy {
    case .replace:
      return "  - name: keyed\n\(nodes)"
        + "    drift: [node-reprovisioned, secret-missing, secret-mismatch, secret-malformed]\n    do: replace-secret\n"
    case .hold: return "  - name: keyed\n\(nodes)    drift: [node-reprovisioned]\n    do: hold\n"
    }
  }

  var keyWords: String? {
    key.map {
      "key for \($0.share)%, \($0.minted)% minted, \($0.remedy.rawValue)\($0.coversAll ? " for all" : "")"
    }
  }
}

/// What the fleet key says. A pretence, as the hashes are: what matters is who knows it.
enum FleetKeyPretence {
  /// As far as anybody gets in a life.
  static let generations = 1...12

  static func password(of name: NodeName, generation: Int) -> [UInt8] {
    let letters = PretendScrypt.derive(Array("\(name) \(generation)".utf8), Array("the fleet key".utf8), 13)
    return Array(FleetWorld.passwordMark.utf8) + letters.map { UInt8(ascii: "a") + $0 % 26 }
  }

  /// `nil`: it is none that follows from the key.
  static func generation(of password: [UInt8], _ name: NodeName) -> Int? {
    generations.first { self.password(of: name, generation: $0) == password }
  }
}

/// The port: every server has the key, and now and then it cannot be read.
struct FleetKeyPort: FleetKeys {
  let ports: FleetPorts

  func password(
    of node: NodeName, generation: Int, _ completion: @escaping Completion<Observed<NodePassword>>
  ) {
    ports.effect("derive for \(node)", completion) { _ in
      let bytes = FleetKeyPretence.password(of: node, generation: generation)
      return .success(.present(NodePassword(copying: bytes)))
    }
  }
}

extension FleetWorld.State {
  /// Which generation of the derived password a stored hash is of; `nil`: of none.
  func generation(ofHash text: String, _ name: NodeName) -> Int? {
    FleetKeyPretence.generations.first {
      StoredHash.objection(FleetKeyPretence.password(of: name, generation: $0), text, server.keyDerivation) == nil
    }
  }

  /// Of the Secret that is there now.
  func storedGeneration(_ name: NodeName) -> Int? {
    secret(name).flatMap { hashText($0) }.flatMap { generation(ofHash: $0, name) }
  }

  // MARK: Enrolments

  /// After each change of the ledger, by whomever.
  mutating func noteEnrolments() {
    let enrolled = ledger.value?.ledger.enrolled ?? [:]
    guard !enrolled.isEmpty || !truth.enrolments.isEmpty else { return }
    for (name, spans) in truth.enrolments {
      guard let last = spans.last, last.to == nil, enrolled[name] != last.generation else { continue }
      truth.enrolments[name]?[spans.count - 1].to = now
    }
    for (name, generation) in enrolled {
      if let last = truth.enrolments[name]?.last, last.to == nil { continue }
      truth.enrolments[name, default: []].append(FleetTruth.Enrolment(generation: generation, from: now))
    }
  }

  /// What a daemon may have read in the ledger as this name's generation, however long ago it last looked.
  func generationsLately(_ name: NodeName) -> Set<Int> {
    let start = Moment(nanoseconds: now.nanoseconds - FleetLaws.ledgerSight.wholeNanoseconds)
    let spans = (truth.enrolments[name] ?? []).filter { $0.to.map { $0 >= start } ?? true }
    return Set(spans.map(\.generation))
  }

  /// Enrolled without a break for so long that every daemon that acts on the name knows.
  func isLongEnrolled(_ name: NodeName) -> Bool {
    guard let spans = truth.enrolments[name], spans.last?.to == nil else { return false }
    var since = now
    for span in spans.reversed() where (span.to ?? now) == since { since = span.from }
    return now - since > FleetLaws.enrolmentSight
  }

  /// As `nodepassd approve --enrol` would.
  mutating func enrol(_ name: NodeName, generation: Int) -> Bool {
    guard !isAPIDown, case .present(let reading) = ledger else { return false }
    var ledger = reading.ledger
    guard ledger.enrol(name, generation: generation) else { return false }
    putLedger(ledgers.encode(ledger))
    return true
  }
}
