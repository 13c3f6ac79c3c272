import ArgumentParser
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// Three servers' real daemons over one datastore, killed at random, and held to the laws from outside.
struct Trial: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fleet",
    abstract: "Kill the daemons of three servers at random, and hold them to the laws from outside.",
    discussion: """
      One stand-in server, three machines with the real daemon, twelve workers of which most are rebuilt again and again, \
      and three impostors. The stand-in's own account of what it was asked is the judge. After the kills it waits until \
      every name has its Secret and every rebuilt node is back, at most four minutes. A seed gives the same kills and \
      rebuilds by the clock; what they meet differs. Exit status 1 where a law was broken; the logs are kept then.
      """)

  @Option(help: "For how long daemons are killed.")
  var seconds = 300
  @Option(help: "Of the kills and the rebuilds.")
  var seed: UInt64 = 1
  @Flag(
    help: ArgumentHelp("For a test of the judge: the daemons' policy allows twice what it does.", visibility: .hidden))
  var loose = false
  @Flag(help: "Keep the logs in any case.")
  var keep = false

  /// Which server a machine asks, of the three that the stand-in stands for.
  static let askedHeaderName = "x-demo-server"
  static func askedHeader(_ number: Int) -> (String, String) { (askedHeaderName, "\(number)") }

  static let bounds = TrialState.Bounds(
    node: Limits.Rate(acts: 1, per: .seconds(60)), cluster: Limits.Rate(acts: 4, per: .seconds(60)),
    addresses: TrialLives.addresses, contested: TrialLives.contested)

  /// Short windows, since a new ledger counts its budgets as spent for one of them; a short hold-off, or a daemon
  /// that is killed every few seconds would do nothing at all.
  static func policy(acts factor: Int) -> String {
    """
    apiVersion: nodepassd.io/v1
    kind: Policy
    rules:
      - name: keep-my-own-password
        drift: [password-file-missing, password-file-empty, password-file-malformed, password-file-changed]
        do: restore-password-file
      - name: workers-by-their-own-address
        nodes: { names: ["worker-*"] }
        drift: [node-reprovisioned]
        if: { notReadyFor: 40s, refusals: 2, window: 5m, sourceAddress: node }
        do: reset-secret
      - name: edges-by-their-network
        nodes: { names: ["edge-*"] }
        drift: [node-reprovisioned]
        if: { notReadyFor: 40s, refusals: 2, window: 5m, sourceAddress: [10.20.1.0/24] }
        do: reset-secret
    limits:
      node: { acts: \(bounds.node.acts * factor), per: \(bounds.node.per.spelled) }
      cluster: { acts: \(bounds.cluster.acts * factor), per: \(bounds.cluster.per.spelled) }
      wave: { nodes: 50, share: 100%, within: 1m }
    timing: { holdOff: 2s, watchHeal: 20s }
    alerts: { unit: none }

    """
  }

  func validate() throws {
    guard seconds > 0 else { throw ValidationError("For no time at all nothing can be seen.") }
  }

  func run() throws {
    let world = try TrialWorld(seed: seed, policy: Self.policy(acts: loose ? 2 : 1))
    DemoOutput.write(
      """
      Three daemons below \(world.root), one stand-in on port \(world.standIn.port); seed \(seed), \(seconds) s of kills.

      """)
    var failure: String?
    do { try world.play(seconds: seconds) } catch { failure = "\(error)" }
    world.tearDown()
    let report = TrialReport(world, seconds: seconds)
    DemoOutput.write(report.text)
    if let failure { DemoOutput.write("The trial breaks off: \(failure)\n") }
    let isGood = report.isGood && failure == nil
    if isGood, !keep {
      DemoFiles.removeAll(world.root)
      return DemoOutput.write("Everything came out as it should. Nothing is left behind.\n")
    }
    try report.writeLogs()
    DemoOutput.write("The logs are in \(world.root)/logs: trial.log, server-1.log to server-3.log, and the ledger.\n")
    if !isGood { throw ExitCode.failure }
  }
}
