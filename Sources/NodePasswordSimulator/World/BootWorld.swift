import NodePasswordCore
import NodePasswordDaemon

/// What a boot finds, and what happens during it. As it is made: a node that has joined before and lost its `/etc`.
package struct BootOptions: Hashable, Sendable {
  package enum File: CaseIterable, Hashable, Sendable {
    case missing, present, empty
  }

  package enum Escrow: CaseIterable, Hashable, Sendable {
    case usable, none, foreign, damaged
    /// It is there, and cannot be read now.
    case unreadable
  }

  package enum Accident: CaseIterable, Hashable, Sendable {
    case none
    /// The process dies when the act is in the log and not yet done.
    case crash
    /// A new password is there when the act has been counted.
    case fileAppears
    /// Somebody else, a daemon that runs, restores the file half a second into the boot.
    case anotherRestores
  }

  package var seed: UInt64 = 1
  package var file = File.missing
  package var escrow = Escrow.usable
  package var accident = Accident.none
  package var mode = Policy.Mode.enforce
  /// The policy's text in place of one that says nothing but the mode; and whether a last good one stands behind it.
  package var policy: String?
  package var hasLastGoodPolicy = true
  package var hasStrayFile = false
  package var isHardwareKnown = true
  package var isBudgetSpent = false
  package var isActLogReadable = true
  package var isActLogWritable = true
  package var hasCertificates = true
  package var isAlone = true
  /// Ports fail, answers are lost, the process dies anywhere; a daemon takes over where it died.
  package var hasFaults = false
  /// How long the escrow takes to be opened.
  package var unsealing = Duration.zero
  package var patience = Duration.seconds(1)

  package init() {}
}

/// What became of it.
package struct BootResult: Sendable {
  package enum File: Hashable, Sendable {
    case missing, accepted, empty
    /// The one that appeared meanwhile.
    case another
  }

  /// `nil`: the process died.
  package var ending: BootRestore.Ending?
  package var duration: Duration
  package var file: File
  package var hasStrayFile: Bool
  /// Acts that were counted in this boot.
  package var counted: Int
  package var records: [RecordKind: Int]
  package var violations: [String]
}

/// Boots on one disk, each with its own process.
package final class BootWorld: Sendable {
  private static let accepted = "0123456789abcdef0123456789abcdef"
  private static let another = "fedcba9876543210fedcba9876543210"

  private let world: World

  package init(_ options: BootOptions) {
    var life = SimulationOptions(seed: options.seed)
    life.setting = .plain(options.mode)
    world = World(life)
    world.state.withLock { state in
      state.truth.accepted[state.machine.hardware] = [Array(Self.accepted.utf8)]
      state.truth.rightful = state.truth.accepted
      state.truth.secrets = [Self.accepted, Self.another]
      Self.furnish(&state, options)
    }
  }

  private static func furnish(_ state: inout World.State, _ options: BootOptions) {
    switch options.file {
    case .missing: break
    case .empty: _ = state.write([], to: .password)
    case .present: _ = state.write(Array("\(accepted)\n".utf8), to: .password)
    }
    if options.hasStrayFile { _ = state.write(Array(another.utf8), to: .stray) }
    if options.hasCertificates {
      let certificate = Array("\(World.name) 1".utf8)
      state.write(certificate, to: .serving)
      state.write(certificate, to: .client)
    }
    switch options.escrow {
    case .none: break
    case .damaged: _ = state.write(Array("nodepassd-escrow 1\n".utf8), to: .escrow)
    case .usable, .unreadable: _ = state.write(escrow(of: "dmi:1", state.machine), to: .escrow)
    case .foreign: _ = state.write(escrow(of: "dmi:2", state.machine), to: .escrow)
    }
    guard options.isBudgetSpent else { return }
    let act = Act(at: state.time.wall, kind: .local, phase: .begun, word: Remedy.restorePasswordFile.rawValue)
    state.acts = Array(repeating: act, count: Limits().local.acts)
  }

  private static func escrow(of hardware: String, _ here: World.MachineModel) -> [UInt8] {
    let machine = MachineIdentity(
      hardware: .present(hardware), machineID: here.machineID, bootID: here.bootID, addresses: [])
    guard var document = EscrowDocument(machine: machine, node: World.name),
      document.accept(NodePassword(copying: Array(accepted.utf8)), .certificates)
    else { preconditionFailure("an escrow takes its first password") }
    return document.encode().withBytes { Array($0) }
  }

  /// One start of the agent's unit. `options` may differ from the last in all but what lies on the disk.
  package func boot(_ options: BootOptions) -> BootResult {
    let (incarnation, before, start) = world.state.withLock { state in
      state.incarnation += 1
      state.truth.records = [:]
      state.hasFaults = options.hasFaults
      return (state.incarnation, state.acts.count, state.now)
    }
    let ports = BootPorts(world: world, incarnation: incarnation, options: options).make()
    let restore = BootRestore(
      ports: ports, configuration: Reconciler.Configuration(version: "simulated", pid: 1), isAlone: options.isAlone)
    let slot = BootSlot()
    restore.run(until: start + options.patience) { [world] ending in slot.fill(ending, world.now().monotonic) }
    if options.accident == .anotherRestores {
      world.later(.milliseconds(500)) { [world] in
        world.state.withLock { _ = $0.write(Array("\(Self.accepted)\n".utf8), to: .password) }
      }
    }
    world.run(for: options.patience + .seconds(30))
    return world.state.withLock { state in
      BootResult(
        ending: slot.ending, duration: slot.moment.map { $0 - start } ?? .zero, file: Self.file(state),
        hasStrayFile: state.files[.stray] != nil,
        counted: state.acts.count - before, records: state.truth.records,
        violations: state.truth.violations + [Laws.objectionToBudgets(state)].compactMap { $0 })
    }
  }

  private static func file(_ state: World.State) -> BootResult.File {
    guard let file = state.files[.password] else { return .missing }
    let text = String(decoding: World.trimmed(file.bytes), as: UTF8.self)
    if text.isEmpty { return .empty }
    return text == accepted ? .accepted : .another
  }

  /// Somebody wipes `/etc/rancher`.
  package func wipe() { world.state.withLock { $0.files[.password] = nil } }

  static func appear(_ state: inout World.State) { _ = state.write(Array("\(another)\n".utf8), to: .password) }
}
