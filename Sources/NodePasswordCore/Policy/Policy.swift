/// What may be done about drift, as a policy file says it. `Policy()` is the built-in default, and the shipped
/// `config/policy.yaml` parses to exactly that.
package struct Policy: Hashable, Sendable {
  package enum Mode: String, CaseIterable, Hashable, Sendable, Codable {
    case enforce
    /// Decide and record, act on nothing (law L9).
    case observe
  }

  package enum EscrowStore: String, CaseIterable, Hashable, Sendable, Codable {
    case none
    case file
    case credential
    case derived

    /// A provisioner's password is looked for.
    package var takesCredential: Bool { self == .credential || self == .derived }
  }

  /// How the escrow's file is protected beyond its mode.
  package enum Seal: String, CaseIterable, Hashable, Sendable, Codable {
    /// By this machine's TPM2: worthless without it.
    case tpm2
    /// By the key that `systemd-creds setup` makes on this machine's disk: worthless on another machine.
    case host
    /// Readable by whoever may read root's files.
    case plain
  }

  /// When the daemon itself may ask the supervisor whether it would accept the password. A probe is not read-only: where
  /// there is no Secret it makes one (k3s-facts 6.1).
  package enum Probe: String, CaseIterable, Hashable, Sendable, Codable {
    case never
    case afterHeal = "after-heal"
    case whenRefused = "when-refused"
  }

  package static let apiVersion = "nodepassd.io/v1"
  package static let kind = "Policy"
  /// More rules than anyone can read are a mistake.
  package static let ruleLimit = 256

  package var mode = Mode.enforce
  package var escrow = EscrowStore.file
  /// In order of preference; the first that this machine can do. A later one is a fallback, and is said aloud.
  package var seals = [Seal.plain]
  package var probe = Probe.never
  package var rules = Rule.defaults
  package var limits = Limits()
  package var timing = Timing()
  package var alerts = Alerts()

  package init() {}
}

/// One rule. The first whose `nodes` and `drift` match is the rule, as in a firewall.
package struct Rule: Hashable, Sendable {
  package var name: String
  package var nodes: NodeSelector
  package var drift: [Drift]
  package var condition: Condition
  package var remedy: Remedy
  /// `policy.yaml:12`, for `explain`; `built-in` for the defaults.
  package var origin: Origin

  package init(
    name: String, nodes: NodeSelector = NodeSelector(), drift: [Drift], condition: Condition = Condition(),
    remedy: Remedy, origin: Origin = .unwritten
  ) {
    self.name = name
    self.nodes = nodes
    self.drift = drift
    self.condition = condition
    self.remedy = remedy
    self.origin = origin
  }

  /// What a machine does about its own password and its own Secret where no file says otherwise.
  package static let defaults: [Rule] = [
    Rule(
      name: "keep-my-own-password",
      drift: [.passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged],
      remedy: .restorePasswordFile),
    Rule(name: "keep-it-private", drift: [.passwordFileExposed], remedy: .tightenPasswordFile),
    Rule(name: "no-password-from-the-past", drift: [.passwordFileResurrected], remedy: .removeStrayFile),
    Rule(
      name: "my-own-secret-fits-my-password", drift: [.secretMissing, .secretMismatch, .secretMalformed],
      remedy: .replaceSecret),
    Rule(name: "secrets-stay-sealed", drift: [.secretMutable], remedy: .sealSecret),
  ].map { rule in
    var rule = rule
    rule.origin = .builtIn
    return rule
  }
}

/// Where a part of a policy was written.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
  package let file: String
  /// From 1; 0 where there is no file.
  package let line: Int
  package let column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// Of a rule that was made by a program, not read.
  package static let unwritten = Origin(file: "policy", line: 0, column: 0)
  package static let builtIn = Origin(file: "built-in", line: 0, column: 0)

  package var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}

/// Which Nodes a rule is about. Empty parts match every Node; the parts that are there must all match.
package struct NodeSelector: Hashable, Sendable {
  package enum Role: String, CaseIterable, Hashable, Sendable, Codable {
    case controlPlane = "control-plane"
    case etcd
    case worker
  }

  /// Names, with `*` for any run of characters.
  package var names: [String]
  package var roles: [Role]
  package var labels: [String: String]

  package init(names: [String] = [], roles: [Role] = [], labels: [String: String] = [:]) {
    self.names = names
    self.roles = roles
    self.labels = labels
  }

  package var matchesEveryNode: Bool { names.isEmpty && roles.isEmpty && labels.isEmpty }
}

/// What must hold before a rule's remedy is taken. An unmet condition means waiting, never the next rule.
package struct Condition: Hashable, Sendable {
  /// Where the refused joins may come from.
  package enum SourceAddress: Hashable, Sendable {
    /// An InternalIP that exactly one Node holds.
    case node
    /// Networks in CIDR notation, as written.
    case networks([String])
    /// Anywhere; only together with `firstComer: accept`.
    case any
  }

  package var notReadyFor: Duration?
  package var refusals: Int?
  package var window: Duration?
  package var sourceAddress: SourceAddress?
  package var acceptsFirstComer: Bool

  package init(
    notReadyFor: Duration? = nil, refusals: Int? = nil, window: Duration? = nil, sourceAddress: SourceAddress? = nil,
    acceptsFirstComer: Bool = false
  ) {
    self.notReadyFor = notReadyFor
    self.refusals = refusals
    self.window = window
    self.sourceAddress = sourceAddress
    self.acceptsFirstComer = acceptsFirstComer
  }

  package var isEmpty: Bool { self == Condition() }
}

/// How much may be done in how long (law L4).
package struct Limits: Hashable, Sendable {
  /// So many acts in any span of this length.
  package struct Rate: Hashable, Sendable {
    package var acts: Int
    package var per: Duration

    package init(acts: Int, per: Duration) {
      self.acts = acts
      self.per = per
    }
  }

  /// Beyond the smaller of the two, but at least 2 Nodes, everything holds as one batch.
  package struct Wave: Hashable, Sendable {
    package var nodes: Int
    /// Percent of all Nodes.
    package var share: Int
    package var within: Duration

    package init(nodes: Int, share: Int, within: Duration) {
      self.nodes = nodes
      self.share = share
      self.within = within
    }
  }

  /// Acts on this machine's own files.
  package var local = Rate(acts: 10, per: .seconds(600))
  /// Acts on one Node's Secret.
  package var node = Rate(acts: 1, per: .seconds(900))
  /// Acts on Secrets, all servers together.
  package var cluster = Rate(acts: 5, per: .seconds(3600))
  package var wave = Wave(nodes: 10, share: 30, within: .seconds(300))

  package init() {}
}

package struct Timing: Hashable, Sendable {
  /// How long contents must rest before they are believed, since K3s writes in place (k3s-facts 1.1).
  package var settle = Duration.milliseconds(250)
  /// How long without a wake before everything is looked at again.
  package var resync = Duration.seconds(600)
  /// How long after a start, a reload, a clock jump or a datastore restore no Secret is touched (law L3).
  package var holdOff = Duration.seconds(90)
  /// How long a heal is watched; undone within it, it was a collision (law L10).
  package var watchHeal = Duration.seconds(300)

  package init() {}
}

package struct Alerts: Hashable, Sendable {
  /// The template unit that is started for an alarm; `nil`: none.
  package var unit: String?
  package var from = Priority.warning

  package init() { unit = "nodepassd-alert@.service" }
}

/// The journal's levels, as this project uses them (design 8).
package enum Priority: Int, CaseIterable, Hashable, Sendable, Codable, Comparable {
  /// A person must act.
  case error = 3
  /// It matters, and we carry on.
  case warning = 4
  /// We changed something.
  case notice = 5
  /// A conclusion that differs from the last.
  case info = 6
  case debug = 7

  package var word: String {
    switch self {
    case .error: "error"
    case .warning: "warning"
    case .notice: "notice"
    case .info: "info"
    case .debug: "debug"
    }
  }

  /// More urgent is smaller, as syslog counts.
  package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}
