import NodePasswordCore
import Testing

/// What a refusal says about a file that may have come after it, and for how long.
@Suite struct RefusalMemoryTests {
  /// The server takes a while to answer: the first refusal after a heal may be about what was there before.
  @Test func onlyTheSecondRefusalIsSurelyAboutThisFile() throws {
    func refusal(_ count: Int, first: Duration, last: Duration) -> Refusal {
      Refusal(cause: .password, count: count, firstSeen: Fixture.start + first, lastSeen: Fixture.start + last)
    }
    func seen(_ refusal: Refusal, _ file: FileIdentity) -> MachineObservation {
      var observation = Fixture.machine()
      observation.passwordFile = .present(PasswordFileFacts(identity: file, shape: .wellFormed(.matchesAccepted)))
      observation.agent = .present(Fixture.agent(refusal))
      return observation
    }
    var memory = MachineMemory()
    let before = refusal(4, first: .seconds(-30), last: .seconds(-1))
    memory.note(seen(before, Fixture.file), at: Fixture.start)
    #expect(!memory.surelyConcernsFile(before))
    let late = refusal(5, first: .seconds(-30), last: .milliseconds(300))
    memory.note(seen(late, Fixture.file), at: Fixture.start + .seconds(1))
    #expect(!memory.surelyConcernsFile(late))
    let next = refusal(6, first: .seconds(-30), last: .seconds(6))
    memory.note(seen(next, Fixture.file), at: Fixture.start + .seconds(7))
    #expect(memory.surelyConcernsFile(next))
    memory.note(seen(next, Fixture.otherFile), at: Fixture.start + .seconds(8))
    #expect(!memory.surelyConcernsFile(next), "another file, another question")
    let row = refusal(2, first: .seconds(9), last: .seconds(15))
    memory.note(seen(row, Fixture.otherFile), at: Fixture.start + .seconds(16))
    #expect(memory.surelyConcernsFile(row), "two in a row, of which only the first was seen too late")
  }

  /// Certificates that came with a copied disk are older than the server's word.
  @Test func whatIsBeingRefusedIsNotTakenByTimestamps() throws {
    let row = RefusalTests.Row(
      title: "", file: .present(.wellFormed(.nothingToCompare)), escrow: .absent, expected: "", diagnosis: .password)
    var (observation, circumstances) = RefusalTests.observation(row)
    observation.certificates = .present(Fixture.certificates(1, modified: .max))
    #expect(Planner.plan(for: .machine(observation), circumstances).upkeep.isEmpty)
    circumstances.machine.acceptedAt = Fixture.start
    #expect(!Planner.plan(for: .machine(observation), circumstances).upkeep.isEmpty, "unless it was let in since")
  }

  /// A refusal that only a probe told of ends with the file it was about.
  @Test func withoutAJournalAProbesRefusalDoesNotStandForEver() {
    var observation = Fixture.machine()
    let obstacle = Obstacle(.notConfigured, at: "k3s-agent.service", "it does not log to the journal")
    observation.agent = .present(AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .unknown(obstacle)))
    #expect(Observation.machine(observation).canTell(.agentRefused))
  }

  @Test func whatAProbeWasToldIsOverOnceTheAgentIsLetIn() {
    var memory = MachineMemory()
    memory.note(Fixture.machine(), at: Fixture.start)
    memory.refusedByProbe = Fixture.file
    var accepted = Fixture.machine()
    accepted.certificates = .present(Fixture.certificates(2))
    memory.note(accepted, at: Fixture.start + .seconds(1))
    #expect(memory.refusedByProbe == nil)
    memory.refusedByProbe = Fixture.file
    memory.noteRestart(at: Fixture.start + .seconds(2))
    #expect(memory.refusedByProbe == nil, "it may come back under another name")
  }

  /// A unit between two processes shows none for a moment.
  @Test func aProcessThatCameAfterNoneIsAnotherOne() {
    let refusal = Refusal(cause: .token, count: 5, firstSeen: Fixture.start + .seconds(-30), lastSeen: Fixture.start)
    func seen(_ pid: Int32?) -> MachineObservation {
      var observation = Fixture.machine()
      let state = UnitState(activity: pid == nil ? .deactivating : .activating, mainPID: pid)
      observation.agent = .present(
        AgentFacts(unit: "k3s-agent.service", state: .present(state), refusal: .present(refusal)))
      return observation
    }
    var memory = MachineMemory()
    memory.note(seen(nil), at: Fixture.start + .seconds(1))
    #expect(memory.stands(refusal, at: Fixture.start + .seconds(1)))
    memory.note(seen(43), at: Fixture.start + .seconds(2))
    #expect(!memory.stands(refusal, at: Fixture.start + .seconds(2)))
  }

  /// A fault at one look is no other file: what was known of it stays known.
  @Test func aFileThatCannotBeReadForAMomentIsTheOneItWas() {
    var memory = MachineMemory()
    memory.note(Fixture.machine(), at: Fixture.start)
    var accepted = Fixture.machine()
    accepted.certificates = .present(Fixture.certificates(2))
    memory.note(accepted, at: Fixture.start + .seconds(1))
    var faulty = accepted
    faulty.passwordFile = .unknown(Fixture.obstacle)
    memory.note(faulty, at: Fixture.start + .seconds(2))
    memory.note(accepted, at: Fixture.start + .seconds(3))
    #expect(memory.file?.since == Fixture.start)
    #expect(memory.provenFile == Fixture.file)
  }
}
