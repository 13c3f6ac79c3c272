import NodePasswordCore
import NodePasswordDaemon

/// What kind of fleet a life is lived in, and under which policy. All of it follows from the seed.
package struct FleetSetting: Sendable {
  /// What the policy says about a rebuilt worker.
  package enum Reimaged: String, CaseIterable, Sendable {
    case reset, hold, report
  }

  package enum Source: String, CaseIterable, Sendable {
    case node, networks, any
  }

  package var mode: Policy.Mode
  package var distribution: Distribution
  package var version: ServerVersion
  /// Machines of the fleet beside the three servers.
  package var memberCount: Int
  /// Of them, those that are servers of another kind: control plane or etcd, without a daemon of ours.
  package var spareServerCount: Int
  package var reimaged: Reimaged
  package var source: Source
  package var notReadyFor: Duration
  package var refusals: Int
  package var node: Limits.Rate
  package var cluster: Limits.Rate
  package var wave: Limits.Wave
  /// A ledger was made long before; else the first server makes it, and every budget is spent for a while.
  package var hasLedger: Bool
  /// A rule of its own says that servers wait for a person; else that they do is all up to the daemon.
  package var hasServerRule: Bool
  /// `nil`: the servers have no fleet key.
  package var key: Key?

  static let serverCount = 3
  /// Where workers' addresses lie; impostors' are elsewhere.
  static let network = "10.1.0.0/16"

  private static let versions: [ServerVersion] = [
    .v1_21_3, .v1_26_6, .v1_33_5, .v1_34_2, .v1_34_2, ServerVersion(31, 5),
  ]

  package init(seed: UInt64) {
    var random = SeededGenerator(seed: seed ^ 0x666c_6565_74)
    mode = random.chance(10) ? .observe : .enforce
    distribution = random.chance(75) ? .k3s : .rke2
    version = Self.versions.randomElement(using: &random) ?? .v1_34_2
    memberCount = Int.random(in: 1...47, using: &random)
    spareServerCount = min(memberCount - 1, Int.random(in: 0...2, using: &random))
    reimaged = random.chance(75) ? .reset : random.chance(60) ? .hold : .report
    source = random.chance(70) ? .node : random.chance(60) ? .networks : .any
    notReadyFor = .seconds([30, 60, 120, 300].randomElement(using: &random) ?? 60)
    refusals = Int.random(in: 1...5, using: &random)
    node = Limits.Rate(
      acts: Int.random(in: 1...2, using: &random), per: .seconds([300, 900].randomElement(using: &random) ?? 900))
    cluster = Limits.Rate(
      acts: Int.random(in: 1...8, using: &random),
      per: .seconds([300, 600, 3_600].randomElement(using: &random) ?? 600)
    )
    wave = Limits.Wave(
      nodes: Int.random(in: 2...12, using: &random), share: Int.random(in: 10...60, using: &random),
      within: .seconds([120, 300].randomElement(using: &random) ?? 300))
    hasLedger = random.chance(80)
    hasServerRule = random.chance(50)
    key = random.chance(30) ? Key(using: &random) : nil
  }

  /// A small fleet with nothing out of the ordinary, whose workers may be reset.
  package static func plain() -> Self {
    var setting = FleetSetting(seed: 1)
    setting.mode = .enforce
    setting.distribution = .k3s
    setting.version = .v1_34_2
    setting.memberCount = 12
    setting.spareServerCount = 1
    setting.reimaged = .reset
    setting.source = .node
    setting.notReadyFor = .seconds(60)
    setting.refusals = 3
    setting.node = Limits.Rate(acts: 1, per: .seconds(900))
    setting.cluster = Limits.Rate(acts: 5, per: .seconds(3_600))
    setting.wave = Limits.Wave(nodes: 10, share: 40, within: .seconds(300))
    setting.hasLedger = true
    setting.hasServerRule = true
    setting.key = nil
    return setting
  }

  // MARK: Policy

  func texts() -> [PolicyText] {
    let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"
    let limits =
      "limits:\n  node: { acts: \(node.acts), per: \(node.per.spelled) }\n"
      + "  cluster: { acts: \(cluster.acts), per: \(cluster.per.spelled) }\n"
      + "  wave: { nodes: \(wave.nodes), share: \(wave.share)%, within: \(wave.within.spelled) }\n"
    let escrow = key == nil ? "" : "escrow: { store: derived }\n"
    let main = head + "mode: \(mode.rawValue)\n" + escrow + limits + "alerts: { unit: none }\n"
    return [
      PolicyText(file: "policy.yaml", bytes: Array(main.utf8), isDropIn: false),
      PolicyText(file: "policy.d/reimaged.yaml", bytes: Array((head + rules).utf8), isDropIn: true),
    ]
  }

  private var rules: String {
    let condition =
      "{ notReadyFor: \(notReadyFor.spelled), refusals: \(refusals), window: 10m, sourceAddress: \(sourceWords) }"
    let remedy =
      switch reimaged {
      case .reset: "    if: \(condition)\n    do: reset-secret\n"
      case .hold: "    do: hold\n"
      case .report: "    do: report\n"
      }
    let servers =
      "  - name: control-plane-waits\n    nodes: { roles: [control-plane, etcd] }\n"
      + "    drift: [node-reprovisioned]\n    do: hold\n"
    // Behind a rule for all names it would never be reached.
    let others = key?.coversAll == true ? "" : "  - name: reimaged\n    drift: [node-reprovisioned]\n" + remedy
    return "rules:\n" + (hasServerRule ? servers : "") + keyRule + others
  }

  private var sourceWords: String {
    switch source {
    case .node: "node"
    case .networks: "[\(Self.network)]"
    case .any: "any, firstComer: accept"
    }
  }

  /// How many names may be refused before everything holds (design 6).
  func waveLimit(nodes count: Int) -> Int { max(2, min(wave.nodes, wave.share * count / 100)) }

  /// For a person who looks at a life that went wrong.
  package var summary: String {
    let words = [
      mode.rawValue, version.name(distribution), "\(memberCount) members", "\(spareServerCount) spare servers",
      "\(reimaged.rawValue) from \(source.rawValue)", "notReadyFor \(notReadyFor.spelled)", "\(refusals) refusals",
      "node \(node.acts)/\(node.per.spelled)", "cluster \(cluster.acts)/\(cluster.per.spelled)",
      "wave \(wave.nodes) \(wave.share)% in \(wave.within.spelled)", hasLedger ? nil : "no ledger",
      hasServerRule ? nil : "no rule for servers", keyWords,
    ]
    return words.compactMap { $0 }.joined(separator: ", ")
  }
}
