import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct EscrowDocumentTests {
  private let machine = MachineIdentity(hardware: .present("dmi:1"), machineID: "m", bootID: "b", addresses: [])

  private func document() throws -> EscrowDocument {
    let name = try #require(NodeName("edge-1"))
    return try #require(EscrowDocument(machine: machine, node: name))
  }

  /// `#expect` itself cannot hold a mutating call.
  private func check(_ holds: Bool, _ comment: Comment? = nil, at place: SourceLocation = #_sourceLocation) {
    #expect(holds, comment, sourceLocation: place)
  }

  private func password(_ text: String) -> NodePassword { NodePassword(copying: Array(text.utf8)) }

  @Test func timestampsFillAnEmptyEscrowAndDisplaceNothing() throws {
    var document = try document()
    check(document.accept(password("a"), .timestamps))
    check(!document.accept(password("b"), .timestamps), "law L6")
    #expect(document.comparison(with: password("a")) == .matchesAccepted)
    #expect(document.comparison(with: password("b")) == .differs)
  }

  @Test func theOneBeforeStaysACandidateUntilTwoStartsOrTheHash() throws {
    for settle in [[Action.Proof.certificates], [.hash]] {
      var document = try document()
      check(document.accept(password("a"), .certificates))
      check(document.accept(password("b"), .certificates))
      #expect(document.comparison(with: password("a")) == .matchesCandidate, "law L6")
      for proof in settle { check(document.accept(password("b"), proof)) }
      #expect(document.comparison(with: password("a")) == .differs)
      #expect(document.confirmations == 2)
    }
  }

  @Test func aRefusedEscrowGivesBackWhatTheNewestHealDisplaced() throws {
    var document = try document()
    check(document.beginPutBack() == nil, "nothing was accepted")
    check(document.accept(password("a"), .certificates))
    check(document.beginPutBack() == nil, "nothing was displaced")
    check(!document.isRefused)
    document.addCandidate(password("b"), .displacedByHeal)
    document.addCandidate(password("s"), .stray)
    document.addCandidate(password("c"), .displacedByHeal)
    let name = try #require(NodeName("edge-1"))
    #expect(document.facts(for: machine, node: name).hasDisplaced)
    let displaced = document.beginPutBack()
    #expect(displaced?.isEqual(to: password("c")) == true)
    let begun = try EscrowDocument.decode(document.encode()).get()
    #expect(begun.isPuttingBack && !begun.isRefused, "it survives the disk")
    let obstacle = Obstacle(.inputOutput, at: "file", "EIO")
    let files: [(Observed<NodePassword>, Bool)] = [
      (.present(password("a")), false), (.present(password("c")), true), (.absent, true), (.unknown(obstacle), false),
    ]
    for (file, isRefused) in files {
      let seen = begun.facts(for: installation(), beside: file)
      #expect(seen.isRefused == isRefused, "cut short: begun anew before the file was written, over after it")
    }
    document.endPutBack()
    #expect(!document.facts(for: installation(hasServerRole: true)).isRefused, "only the hash speaks there")
    let facts = try EscrowDocument.decode(document.encode()).get().facts(for: machine, node: name)
    #expect(facts.isRefused && facts.hasAccepted && !facts.isUsable && facts.candidates == 3, "it survives the disk")
    #expect(document.comparison(with: password("a")) == .matchesAccepted, "and nothing is lost")
    check(document.accept(password("c"), .certificates))
    check(!document.isRefused, "an acceptance ends it")
  }

  private func installation(hasServerRole: Bool = false) -> Installation {
    Installation(
      distribution: .k3s, hasServerRole: hasServerRole, hasAgentRole: true, nodeName: .absent,
      certificateName: NodeName("edge-1").map { .present($0) } ?? .absent, dataDirectory: "/d",
      passwordPath: "/etc/rancher/node/password", identity: machine)
  }

  @Test func aTimestampConfirmsNothing() throws {
    var document = try document()
    check(document.accept(password("a"), .certificates))
    check(document.accept(password("a"), .timestamps))
    #expect(document.confirmations == 1)
  }

  @Test func aCandidateThatIsAcceptedIsNoCandidateAnyMore() throws {
    var document = try document()
    check(document.accept(password("a"), .certificates))
    document.addCandidate(password("b"), .displacedByHeal)
    check(document.accept(password("b"), .certificates))
    #expect(document.candidates.count == 1)
    #expect(document.comparison(with: password("a")) == .matchesCandidate)
  }

  @Test func candidatesAreBoundedAndThePreviousAcceptedGoesLast() throws {
    var document = try document()
    check(document.accept(password("a"), .certificates))
    check(document.accept(password("b"), .certificates))
    for number in 0..<20 { document.addCandidate(password("c\(number)"), .displacedByHeal) }
    document.addCandidate(password("c19"), .stray)
    #expect(document.candidates.count == EscrowDocument.candidateLimit)
    #expect(document.comparison(with: password("a")) == .matchesCandidate)
    #expect(document.comparison(with: password("c19")) == .matchesCandidate)
  }

  @Test func anotherMachinesEscrowIsKnown() throws {
    var document = try document()
    check(document.accept(password("a"), .hash))
    let name = try #require(NodeName("edge-1"))
    #expect(document.facts(for: machine, node: name).isUsable)
    var clone = machine
    clone.hardware = .present("dmi:2")
    #expect(document.facts(for: clone, node: name).owner == .anotherMachine)
    clone.hardware = .unknown(Obstacle(.permissionDenied, at: "dmi", "EACCES"))
    #expect(document.facts(for: clone, node: name).owner == .unknown, "unknown hardware may be anybody's")
    #expect(!document.facts(for: clone, node: name).isUsable)
    #expect(document.facts(for: machine, node: NodeName("edge-2")).owner == .anotherNode)
    var ephemeral = machine
    ephemeral.machineID = "another at each boot"
    #expect(document.facts(for: ephemeral, node: name).isUsable, "an ephemeral /etc still heals")
  }

  @Test func aMachineWithoutAnyMarkGetsNoEscrow() throws {
    var blank = machine
    blank.hardware = .absent
    let name = try #require(NodeName("edge-1"))
    #expect(EscrowDocument(machine: blank, node: name) == nil)
  }

  private func full() throws -> EscrowDocument {
    var document = try document()
    check(document.accept(NodePassword(copying: [0xff, 0x00, 0x80, 0x0a]), .certificates))
    check(document.accept(password("accepted"), .certificates))
    document.addCandidate(password("stray"), .stray)
    return document
  }

  @Test func whatIsWrittenIsRead() throws {
    let read = try EscrowDocument.decode(try full().encode()).get()
    #expect(read.comparison(with: password("accepted")) == .matchesAccepted)
    #expect(read.comparison(with: NodePassword(copying: [0xff, 0x00, 0x80, 0x0a])) == .matchesCandidate)
    #expect(read.comparison(with: password("stray")) == .matchesCandidate)
    #expect(read.encode().isEqual(to: try full().encode()))
  }

  @Test func everyCutAndEveryFlippedBitIsNoticed() throws {
    let bytes = try full().encode().withBytes { Array($0) }
    for count in 0..<bytes.count {
      guard case .failure = EscrowDocument.decode(SecretBytes(copying: bytes[..<count])) else {
        Issue.record("cut at \(count) was accepted")
        continue
      }
    }
    for index in bytes.indices {
      for bit in 0..<8 {
        var flipped = bytes
        flipped[index] ^= 1 << bit
        guard case .failure = EscrowDocument.decode(SecretBytes(copying: flipped)) else {
          Issue.record("bit \(bit) of byte \(index)")
          continue
        }
      }
    }
  }

  @Test func nonsenseIsRefusedWithoutQuotingIt() {
    for text in ["", "\n", "end \n", "nodepassd-escrow 2\nend 0\n", String(repeating: "x", count: 70_000)] {
      guard case .failure(let fault) = EscrowDocument.decode(SecretBytes(copying: Array(text.utf8))) else {
        Issue.record("accepted")
        continue
      }
      #expect(!fault.description.contains("x\u{78}x"))
    }
  }

  @Test func theOneJustDisplacedIsNeverTheOneThatGoes() throws {
    var document = try document()
    for number in 0...EscrowDocument.candidateLimit { check(document.accept(password("p\(number)"), .certificates)) }
    document.addCandidate(password("displaced"), .displacedByHeal)
    #expect(document.comparison(with: password("displaced")) == .matchesCandidate)
    #expect(document.candidates.count == EscrowDocument.candidateLimit)
  }
}
