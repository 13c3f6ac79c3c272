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
    #expect(proven([look(Fixture.file, .absent), look(Fixture.file, new)]) == Fixture.file)
  }

  @Test func oneOfTwoIsNoProof() {
    #expect(proven([look(Fixture.file, old), look(Fixture.file, half)]) == nil)
    #expect(proven([look(Fixture.file, old), look(Fixture.file, half), look(Fixture.file, new)]) == Fixture.file)
  }

  @Test func oneLookIsNoProof() { #expect(proven([look(Fixture.file, new)]) == nil) }

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

  @Test func certificatesThatCouldNotBeSeenProveNothing() {
    #expect(
      proven([look(Fixture.file, old), look(Fixture.file, .unknown(Fixture.obstacle)), look(Fixture.file, new)]) == nil)
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
    _ = memory.note(node, at: Fixture.start)
    #expect(memory.isLive(at: Fixture.start) == nil, "one look knows nothing")
    node.lease = .present("102")
    _ = memory.note(node, at: Fixture.start + .seconds(10))
    #expect(memory.isLive(at: Fixture.start + .seconds(40)) == true)
    #expect(memory.isLive(at: Fixture.start + .seconds(41)) != true)
  }

  /// Between two looks that are far apart the Node may have lived and died.
  @Test func anOldChangeIsNoLife() {
    var memory = NodeMemory()
    var node = Fixture.node()
    _ = memory.note(node, at: Fixture.start)
    node.lease = .present("102")
    _ = memory.note(node, at: Fixture.start + .seconds(600))
    #expect(memory.isLive(at: Fixture.start + .seconds(600)) != true)
  }

  /// A hold-off in which nobody looked is no silence of the Node's.
  @Test func aPauseInLookingIsNotHeldAgainstTheNode() {
    var memory = NodeMemory()
    var node = Fixture.node()
    _ = memory.note(node, at: Fixture.start)
    memory.heartbeatAwaitedSince = Fixture.start
    node.lease = .present("102")
    _ = memory.note(node, at: Fixture.start + .seconds(80))
    #expect(memory.isLive(at: Fixture.start + .seconds(80)) == nil, "wait for the next beat")
    node.lease = .present("103")
    _ = memory.note(node, at: Fixture.start + .seconds(85))
    #expect(memory.isLive(at: Fixture.start + .seconds(85)) == true)
  }

  @Test func aHeartbeatThatNeverComesIsNoLife() {
    var memory = NodeMemory()
    _ = memory.note(Fixture.node(), at: Fixture.start)
    memory.heartbeatAwaitedSince = Fixture.start
    #expect(memory.isLive(at: Fixture.start + .seconds(40)) == nil)
    #expect(memory.isLive(at: Fixture.start + .seconds(41)) == false)
  }

  @Test func aDatastoreThatWentBackIsSeen() {
    var memory = NodeMemory()
    var node = Fixture.node()
    node.lease = .present("500")
    #expect(memory.note(node, at: Fixture.start) == false)
    node.lease = .present("400")
    #expect(memory.note(node, at: Fixture.start) == true)
  }
}
