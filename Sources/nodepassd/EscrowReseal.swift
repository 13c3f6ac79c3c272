import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct EscrowReseal: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reseal",
    abstract: "Seal the escrow anew as the policy wants it: after a change of `escrow.seal`, of TPM or firmware.",
    discussion: """
      Only while the daemon is stopped. Exit status: 0 done, 2 the escrow cannot be opened or is not this machine's, \
      3 there is none, 1 it could not be sealed or the daemon runs, 77 not permitted, 78 broken policy.
      """)

  private static let purpose = "reseal the escrow"

  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let lock = try Exclusive.lock(root, to: Self.purpose, "nodepassd escrow reseal\(root.words)")
    defer { lock.release() }
    let paths = Paths(root: root.root)
    let policies = FilePolicySource(paths: paths, entropy: KernelEntropy())
    let policy = try PolicyInForce.load(policies, for: "sealing")
    let store = FileEscrowStore(paths: paths, entropy: KernelEntropy())
    let bytes = try open(store)
    guard let before = store.describe().value?.seal else { throw ExitCode(StatusReport.Verdict.unknown.exitCode) }
    store.prefer(policy.seals)
    switch Await.value({ store.save(bytes, $0) }) {
    case .failure(let obstacle):
      Console.complain("the escrow is as it was (\(before.rawValue))")
      throw Failure.exit(Self.purpose, obstacle)
    case .success(let after):
      let answer = ResealAnswer(
        from: before, to: after,
        refused: store.refusals.map { ResealAnswer.Refused(seal: $0.seal, reason: "\($0.obstacle)") })
      Renderer.render(answer, as: format.output)
    }
  }

  /// The escrow's bytes, where they are this machine's to seal.
  private func open(_ store: FileEscrowStore) throws -> SecretBytes {
    switch Await.value({ store.load($0) }).observed() {
    case .absent:
      Console.complain("Failed to \(Self.purpose): there is none; the daemon makes one, sealed as the policy says")
      throw ExitCode(StatusReport.Verdict.unknown.exitCode)
    case .unknown(let obstacle):
      let code = Failure.exit(Self.purpose, obstacle)
      Console.complain(Advice.advice(for: obstacle))
      throw code.rawValue == ExitStatus.notPermitted ? code : ExitCode(StatusReport.Verdict.needsPerson.exitCode)
    case .present(let bytes):
      guard case .success(let document) = EscrowDocument.decode(bytes) else {
        Console.complain("Failed to \(Self.purpose): it is damaged; the daemon sets it aside")
        throw ExitCode(StatusReport.Verdict.needsPerson.exitCode)
      }
      guard document.facts(for: store.machine, node: nil).owner == .thisMachine else {
        Console.complain("Failed to \(Self.purpose): it is not this machine's; see: nodepassd escrow show\(root.words)")
        throw ExitCode(StatusReport.Verdict.needsPerson.exitCode)
      }
      return bytes
    }
  }
}

private struct ResealAnswer: Answer {
  struct Refused: Encodable {
    var seal: Policy.Seal
    var reason: String
  }

  var from: Policy.Seal
  var to: Policy.Seal
  /// What the policy would rather have had, and why that cannot be done here.
  var refused: [Refused]

  var lines: [String] {
    let done =
      from == to ? "Sealed anew: \(to.rawValue), as before." : "Sealed anew: \(to.rawValue), was \(from.rawValue)."
    guard !refused.isEmpty else { return [done] }
    return refused.map { "FALLBACK: \($0.seal.rawValue) cannot be done: \($0.reason)" } + [done]
  }
}
