import NodePasswordCore
import Testing

/// Law L6 over time: what a sequence of looks proves.
@Suite struct AcceptanceTests {
  private func look(_ file: FileIdentity, _ certificates: Observed<CertificatePair>) -> MachineObservation {
    var observation = Fixture.machine()
    observation.passwordFile = .present(
      PasswordFileFacts(identity: file, shape: .wellFormed(.nothingToCompare)))
    observation.certificates = certificates
    return observation
  }

  private func proven(_ looks: [MachineObservation]) -> FileIdentity? {
    var memory = MachineMemory()
    for look in looks { memory.note(look, at: Fixture.start) }
    return memory.provenFile
  }

  private let old = Observed.present(Fixture.certificates(1))
  private let new = Observed.present(Fixture.certificates(2))
  private var half: Observed<CertificatePair> {
    var pair = Fixture.certificates(1)
    pair.serving = Fixture.certificates(2).serving
    return .present(pair)
  }

  @Test func bothCertificatesReplacedWhileTheFileStayed() {
    #expect(proven([look(Fixture.file, old), look(Fixture.file, new)]) == Fixture.file)
  }

  @Test func madeForTheFirstTime() {
    let younger = Observed.present(Fixture.certificates(2, modified: Fixture.file.changeTime + 1))
    #expect(proven([look(Fixture.file, .absent), look(Fixture.file, younger)]) == Fixture.file)
    #expect(
      proven([look(Fixture.file, .absent), look(Fixture.file, new)]) == nil,
      "a data directory that is mounted late brings old certificates")
  }

  @Test func movedAwayAndBackIsNotReplaced() {
    #expect(proven([look(Fixture.file, old), look(Fixture.file, .absent), look(Fixture.file, old)]) == nil)
    #expect(
      proven([look(Fixture.otherFile, old), look(Fixture.file, .absent), look(Fixture.file, old)]) == nil,
      "the last pair seen is remembered over a new file too")
    #expect(proven([look(Fixture.file, old), look(Fixture.file, .absent), look(Fixture.file, new)]) == Fixture.file)
  }

  @Test func afterAClockStepFirstCertificatesProveNothing() {
    var memory = MachineMemory()
    memory.note(look(Fixture.file, .absent), at: Fixture.start)
    memory.forgetCertificates()
    memory.note(look(Fixture.file, .absent), at: Fixture.start)
    memory.note(look(Fixture.file, .present(Fixture.certificates(2, modified: .max))), at: Fixture.start)
    #expect(memory.provenFile == nil)
    memory.note(look(Fixture.file, .present(Fixture.certificates(3))), at: Fixture.start)
    #expect(memory.provenFile == Fixture.file, "but another pair after that does")
  }

  @Test func oneOfTwoIsNoProof() {
    #expect(proven([look(Fixture.file, old), look(Fixture.file, half)]) == nil)
    #expect(proven([look(Fixture.file, old), look(Fixture.file, half), look(Fixture.file, new)]) == Fixture.file)
  }

  @Test func oneLookIsNoProof() { #expect(proven([look(Fixture.file, new)]) == nil) }

  /// Seen first in the middle of one start: the other half of that one and the first half of the next make no acceptance.
  @Test func twoHalvesOfTwoStartsAreNoProof() {
    let rest = Observed.present(Fixture.certificates(2))
    var next = Fixture.certificates(2)
    next.serving = Fixture.certificates(3).serving
    let looks = [look(Fixture.file, half), look(Fixture.file, rest), look(Fixture.file, .present(next))]
    #expect(proven(looks) == nil)
    #expect(proven(looks + [look(Fixture.file, .present(Fixture.certificates(3)))]) == Fixture.file)
  }

  @Test func aFileThatChangedInBetweenIsNotProven() {
    #expect(proven([look(Fixture.file, old), look(Fixture.otherFile, new)]) == nil)
    #expect(proven([look(Fixture.file, old), look(Fixture.otherFile, old), look(Fixture.file, new)]) == nil)
  }

  @Test func aProofDiesWithItsFile() {
    #expect(proven([look(Fixture.file, old), look(Fixture.file, new), look(Fixture.otherFile, new)]) == nil)
    var gone = look(Fixture.file, new)
    gone.passwordFile = .absent
    #expect(proven([look(Fixture.file, old), look(Fixture.file, new), gone]) == nil)
  }

  /// K3s writes certificates in place, so a look may find them half-written.
  @Test func certificatesThatCouldNotBeSeenAreNeitherOldNorNew() {
    let unseen = Observed<CertificatePair>.unknown(Fixture.obstacle)
    #expect(proven([look(Fixture.file, old), look(Fixture.file, unseen)]) == nil)
    #expect(proven([look(Fixture.file, old), look(Fixture.file, unseen), look(Fixture.file, old)]) == nil)
    #expect(proven([look(Fixture.file, old), look(Fixture.file, unseen), look(Fixture.file, new)]) == Fixture.file)
  }

  /// Certificates that can be read at last may be as old as the file, or older: nobody saw them come.
  @Test func certificatesThatCouldNotBeReadAtFirstProveNothing() {
    let unseen = Observed<CertificatePair>.unknown(Fixture.obstacle)
    let younger = Observed.present(Fixture.certificates(2, modified: Fixture.file.changeTime + 1))
    #expect(proven([look(Fixture.file, unseen), look(Fixture.file, younger)]) == nil)
    #expect(
      proven([look(Fixture.otherFile, old), look(Fixture.file, unseen), look(Fixture.file, new)]) == nil,
      "they may have come for the file before")
    #expect(
      proven([look(Fixture.file, unseen), look(Fixture.file, .absent), look(Fixture.file, younger)]) == Fixture.file)
    #expect(
      proven([look(Fixture.file, unseen), look(Fixture.file, old), look(Fixture.file, new)]) == Fixture.file,
      "the next start proves again")
  }

  @Test(arguments: Action.Proof.allCases) func nothingIsKeptWhileTheMachineIsNotKnown(_ proof: Action.Proof) {
    var seen = look(Fixture.file, .present(Fixture.certificates(2, modified: .max)))
    seen.passwordFile = .present(PasswordFileFacts(identity: Fixture.file, shape: .wellFormed(.nothingToCompare)))
    var circumstances = Fixture.circumstances(server: proof == .hash)
    circumstances.machine.provenFile = proof == .certificates ? Fixture.file : nil
    circumstances.verdicts = Fixture.node()
    func upkeep() -> [Action] { Planner.plan(for: .machine(seen), circumstances).upkeep }
    seen.installation = .present(Fixture.installation(server: proof == .hash))
    seen.escrow = .absent
    #expect(upkeep() == [.acceptIntoEscrow(Fixture.file, proof: proof)])
    seen.escrow = .present(EscrowFacts(hasAccepted: false, owner: .unknown, confirmations: 0, candidates: 1))
    #expect(upkeep().isEmpty, "L3: whose escrow it is is not known")
    seen.escrow = .absent
    var nameless = Fixture.installation(server: proof == .hash)
    nameless.certificateName = .unknown(Fixture.obstacle)
    seen.installation = .present(nameless)
    #expect(upkeep().isEmpty, "a certificate that is being written names nobody")
  }

  @Test func aHalfWrittenFileIsNotTakenYet() {
    var circumstances = Fixture.circumstances()
    circumstances.machine.file = Sighting(identity: Fixture.file, since: Fixture.start)
    circumstances.machine.provenFile = Fixture.file
    let plan = Planner.plan(for: .machine(look(Fixture.file, new)), circumstances)
    #expect(plan.upkeep.isEmpty)
  }

  @Test func liveIsWhatWeSawChangeByOurOwnClock() {
    var memory = NodeMemory()
    var node = Fixture.node()
    memory.note(node, at: Fixture.start)
    #expect(memory.isLive(at: Fixture.start) == nil, "one look knows nothing")
    node.lease = .present("102")
    memory.note(node, at: Fixture.start + .seconds(10))
    #expect(memory.isLive(at: Fixture.start + .seconds(40)) == true)
    #expect(memory.isLive(at: Fixture.start + .seconds(41)) != true)
  }

  /// Between two looks that are far apart the Node may have lived and died.
  @Test func anOldChangeIsNoLife() {
    var memory = NodeMemory()
    var node = Fixture.node()
    memory.note(node, at: Fixture.start)
    node.lease = .present("102")
    memory.note(node, at: Fixture.start + .seconds(600))
    #expect(memory.isLive(at: Fixture.start + .seconds(600)) != true)
  }

  /// A hold-off in which nobody looked is no silence of the Node's.
  @Test func aPauseInLookingIsNotHeldAgainstTheNode() {
    var memory = NodeMemory()
    var node = Fixture.node()
    memory.note(node, at: Fixture.start)
    memory.heartbeatAwaitedSince = Fixture.start
    node.lease = .present("102")
    memory.note(node, at: Fixture.start + .seconds(80))
    #expect(memory.isLive(at: Fixture.start + .seconds(80)) == nil, "wait for the next beat")
    node.lease = .present("103")
    memory.note(node, at: Fixture.start + .seconds(85))
    #expect(memory.isLive(at: Fixture.start + .seconds(85)) == true)
  }

  /// A Node or a lease that somebody deletes does not beat.
  @Test func whatIsDeletedIsNoHeartbeat() {
    var memory = NodeMemory()
    var node = Fixture.node()
    memory.note(node, at: Fixture.start)
    for seconds in [5, 10] {
      if seconds == 5 { node.node = .absent } else { node.lease = .absent }
      memory.note(node, at: Fixture.start + .seconds(seconds))
      #expect(memory.beats.isEmpty && memory.isLive(at: Fixture.start + .seconds(11)) != true)
    }
    node = Fixture.node()
    memory.note(node, at: Fixture.start + .seconds(15))
    #expect(memory.beats.count == 1, "whoever registers anew is alive")
  }

  @Test func aHeartbeatThatNeverComesIsNoLife() {
    var memory = NodeMemory()
    memory.note(Fixture.node(), at: Fixture.start)
    memory.heartbeatAwaitedSince = Fixture.start
    #expect(memory.isLive(at: Fixture.start + .seconds(40)) == nil)
    #expect(memory.isLive(at: Fixture.start + .seconds(41)) == false)
  }
}
