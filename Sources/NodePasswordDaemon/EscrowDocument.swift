import NodePasswordCore

/// The escrow's contents: the accepted password, and the candidates that may turn out to be right after all (law L6).
///
/// On disk it is lines of text over bytes; passwords are in hex, and the last line is a checksum over all before it, so
/// that a torn or cut file is known for what it is.
package struct EscrowDocument: Sendable {
  /// Why a password is kept beside the accepted one.
  package enum CandidateReason: String, CaseIterable, Hashable, Sendable {
    /// A heal put the accepted one over it.
    case displacedByHeal = "displaced-by-heal"
    /// It was the accepted one before.
    case previousAccepted = "previous-accepted"
    /// It came from `node-password.txt`.
    case stray
  }

  package struct Candidate: Sendable {
    package var password: NodePassword
    package var reason: CandidateReason
  }

  package static let sizeLimit = 64 * 1024
  package static let candidateLimit = 4

  /// The machine by its hardware, e.g. `dmi:…`; where there is none, by its machine-id (design 7).
  package private(set) var machine: String
  package private(set) var node: NodeName
  package private(set) var acceptedPassword: NodePassword?
  package private(set) var proof: Action.Proof?
  package private(set) var confirmations = 0
  package private(set) var candidates: [Candidate] = []
  /// The server refused the accepted password after a heal had put it back.
  package private(set) var isRefused = false
  /// What a heal displaced is on its way back; where that was cut short, it goes on (law L8).
  package private(set) var isPuttingBack = false

  /// `nil`: this machine cannot be told from a clone now, so nothing may be bound to it.
  package init?(machine: MachineIdentity, node: NodeName) {
    guard let hardware = machine.hardware.value, Self.isOneWord(hardware) else { return nil }
    self.machine = hardware
    self.node = node
  }

  private init(machine: String, node: NodeName) {
    self.machine = machine
    self.node = node
  }

  // MARK: Law L6

  /// Takes a password that the server accepted. Answers false where this proof may not do that.
  package mutating func accept(_ password: NodePassword, _ newProof: Action.Proof) -> Bool {
    if let accepted = acceptedPassword {
      if accepted.isEqual(to: password) {
        guard newProof != .timestamps else { return true }
        confirm(newProof)
        return true
      }
      guard newProof != .timestamps else { return false }
      acceptedPassword = password
      candidates.removeAll { $0.password.isEqual(to: password) }
      addCandidate(accepted, .previousAccepted)
    } else {
      acceptedPassword = password
      candidates.removeAll { $0.password.isEqual(to: password) }
    }
    confirmations = 0
    confirm(newProof)
    return true
  }

  /// Two agent starts, or one look at the hash, settle the matter: what was kept beside is decided against.
  private mutating func confirm(_ newProof: Action.Proof) {
    proof = newProof
    isRefused = false
    isPuttingBack = false
    confirmations = newProof == .hash ? 2 : min(confirmations + 1, 2)
    if confirmations >= 2 { candidates.removeAll() }
  }

  /// Keeps a password that might be the accepted one. The oldest goes when there are too many, the one that was accepted
  /// before last of all.
  package mutating func addCandidate(_ password: NodePassword, _ reason: CandidateReason) {
    if let accepted = acceptedPassword, accepted.isEqual(to: password) { return }
    if candidates.contains(where: { $0.password.isEqual(to: password) }) { return }
    candidates.append(Candidate(password: password, reason: reason))
    guard candidates.count > Self.candidateLimit else { return }
    // Never the one just added: its file is about to be overwritten.
    let oldest = candidates.dropLast().firstIndex { $0.reason != .previousAccepted } ?? candidates.startIndex
    candidates.remove(at: oldest)
  }

  /// The newest password that a heal displaced, which is to be put back. `nil`: there is none.
  package mutating func beginPutBack() -> NodePassword? {
    guard acceptedPassword != nil, let displaced = candidates.last(where: { $0.reason == .displacedByHeal }) else {
      return nil
    }
    isPuttingBack = true
    return displaced.password
  }

  /// It is back: the escrow is the stale side from here on, until a password is accepted.
  package mutating func endPutBack() {
    isPuttingBack = false
    isRefused = true
  }

  package func comparison(with password: NodePassword) -> Comparison {
    guard let accepted = acceptedPassword else { return .nothingToCompare }
    if accepted.isEqual(to: password) { return .matchesAccepted }
    return candidates.contains { $0.password.isEqual(to: password) } ? .matchesCandidate : .differs
  }

  /// The escrow by its facts.
  package func facts(for identity: MachineIdentity, node name: NodeName?) -> EscrowFacts {
    let owner: EscrowFacts.Owner
    if identity.hardware.value == nil {
      owner = .unknown
    } else if identity.hardware.value != machine {
      owner = .anotherMachine
    } else if let name, name != node {
      owner = .anotherNode
    } else {
      owner = .thisMachine
    }
    return EscrowFacts(
      hasAccepted: acceptedPassword != nil, owner: owner, confirmations: confirmations, candidates: candidates.count,
      isRefused: isRefused, hasDisplaced: candidates.contains { $0.reason == .displacedByHeal })
  }

  /// As this machine sees it.
  ///
  /// - Parameter file: what the password file holds, absent where it holds no password at all; `nil`: not looked at. A put-back that was cut
  ///   short after the file was written is over, whatever became of the file then.
  package func facts(for installation: Installation, beside file: Observed<NodePassword>? = nil) -> EscrowFacts {
    var facts = facts(for: installation.identity, node: installation.effectiveName.value)
    switch file {
    case .unknown, nil: break
    case .absent: facts.isRefused = isRefused || isPuttingBack
    case .present(let password):
      facts.isRefused = isRefused || isPuttingBack && comparison(with: password) != .matchesAccepted
    }
    // Only the hash speaks there (law L6), and it is asked anew each time.
    if installation.hasServerRole { facts.isRefused = false }
    return facts
  }

  // MARK: Encode

  package func encode() -> SecretBytes {
    var text = Array("nodepassd-escrow 1\nmachine \(machine)\nnode \(node)\n".utf8)
    defer { Wipe.bytes(&text) }
    if let password = acceptedPassword, let proof {
      text += Array("accepted \(proof.rawValue) \(confirmations) ".utf8)
      Self.append(password, to: &text)
    }
    if isRefused { text += Array("refused\n".utf8) }
    if isPuttingBack { text += Array("putting-back\n".utf8) }
    for candidate in candidates {
      text += Array("candidate \(candidate.reason.rawValue) ".utf8)
      Self.append(candidate.password, to: &text)
    }
    text += Array("end \(Self.checksum(text))\n".utf8)
    return SecretBytes(copying: text)
  }

  private static func append(_ password: NodePassword, to text: inout [UInt8]) {
    var hex = password.withBytes { Hex.encode($0) }
    text += hex
    text.append(UInt8(ascii: "\n"))
    Wipe.bytes(&hex)
  }

  /// 64 bits in hex: tells a torn file, not a forger.
  private static func checksum(_ bytes: some Sequence<UInt8>) -> String {
    let digits = String(FNV1a.digest(bytes), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func isOneWord(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 256 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
  }

  // MARK: Decode

  package static func decode(_ bytes: SecretBytes) -> Result<EscrowDocument, EscrowFault> {
    bytes.withBytes { view in
      do throws(EscrowFault) {
        return .success(try decode(view))
      } catch {
        return .failure(error)
      }
    }
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer) throws(EscrowFault) -> EscrowDocument {
    guard bytes.count <= sizeLimit else { throw .tooLarge }
    guard bytes.last == UInt8(ascii: "\n") else { throw .cut }
    var lines = bytes.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard let last = lines.popLast(), last.starts(with: Array("end ".utf8)) else { throw .cut }
    guard last.dropFirst(4).elementsEqual(checksum(bytes[..<last.startIndex]).utf8) else { throw .checksum }
    guard lines.count >= 3, lines[0].elementsEqual("nodepassd-escrow 1".utf8) else { throw .version }
    let machine = try word(after: "machine ", lines[1])
    guard isOneWord(machine), let node = NodeName(try word(after: "node ", lines[2])) else { throw .format }
    var document = EscrowDocument(machine: machine, node: node)
    for line in lines.dropFirst(3) { try document.take(line) }
    return document
  }

  private static func word(
    after key: String, _ line: Slice<UnsafeRawBufferPointer>
  ) throws(EscrowFault) -> String {
    guard line.starts(with: Array(key.utf8)) else { throw .format }
    return String(decoding: line.dropFirst(key.utf8.count), as: UTF8.self)
  }

  private mutating func take(_ line: Slice<UnsafeRawBufferPointer>) throws(EscrowFault) {
    if line.elementsEqual("refused".utf8) {
      guard acceptedPassword != nil, !isRefused else { throw .format }
      isRefused = true
      return
    }
    if line.elementsEqual("putting-back".utf8) {
      guard acceptedPassword != nil, !isPuttingBack else { throw .format }
      isPuttingBack = true
      return
    }
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard let last = words.last, var bytes = Hex.decode(last) else { throw .format }
    defer { Wipe.bytes(&bytes) }
    guard !bytes.isEmpty, bytes.count <= NodePassword.lengthLimit else { throw .format }
    let password = NodePassword(copying: bytes)
    let labels = words.dropLast().map { String(decoding: $0, as: UTF8.self) }
    switch labels.first {
    case "accepted":
      guard acceptedPassword == nil, labels.count == 3, let proof = Action.Proof(rawValue: labels[1]),
        let confirmations = Int(labels[2]), (0...2).contains(confirmations)
      else { throw .format }
      acceptedPassword = password
      self.proof = proof
      self.confirmations = confirmations
    case "candidate":
      guard labels.count == 2, let reason = CandidateReason(rawValue: labels[1]),
        candidates.count < Self.candidateLimit
      else { throw .format }
      candidates.append(Candidate(password: password, reason: reason))
    default: throw .format
    }
  }
}

/// Why an escrow cannot be used. Never a part of it.
package enum EscrowFault: Error, Hashable, Sendable, CustomStringConvertible {
  case tooLarge
  case cut
  case checksum
  case version
  case format

  package var description: String {
    switch self {
    case .tooLarge: "it is larger than any escrow"
    case .cut: "its end is missing"
    case .checksum: "its checksum is wrong"
    case .version: "it is not an escrow of this version"
    case .format: "it holds a line that does not belong there"
    }
  }
}
