/// Where one subject stands. Each case says which race it prevents.
package enum Phase: Hashable, Sendable {
  /// Nothing under way.
  case idle
  /// Woken, waiting for quiet, so that a burst of hints costs one pass; never longer than `latest`.
  case settling(until: Moment, latest: Moment)
  /// Exactly one look is under way; another wake only marks the subject dirty, so that two looks never mix.
  case observing(PassID, deadline: Moment)
  /// The act is being written to the durable log; a crash from here on has been counted (law L4).
  case counting(PassID, Progress, deadline: Moment)
  /// Exactly one act is under way; its completion alone moves on, or its deadline, which is longer than any port's own.
  case acting(PassID, Progress, deadline: Moment)

  /// A plan on its way.
  package struct Progress: Hashable, Sendable {
    package var steps: [Action]
    package var step: Int
    /// The generation of the policy that it was decided under.
    package var policy: Int

    package var next: Progress { Progress(steps: steps, step: step + 1, policy: policy) }
    package var action: Action { steps[step] }
    package var isLast: Bool { step + 1 >= steps.count }
  }

  package var isInFlight: Bool {
    switch self {
    case .idle, .settling: false
    case .observing, .counting, .acting: true
    }
  }

  package var deadline: Moment? {
    switch self {
    case .idle: nil
    case .settling(let until, _): until
    case .observing(_, let deadline), .counting(_, _, let deadline), .acting(_, _, let deadline): deadline
    }
  }
}

/// All that the reconciler keeps of one subject.
package struct SubjectState: Hashable, Sendable {
  package var phase = Phase.idle
  /// A wake came during a pass: look once more after it.
  package var isDirty = false
  /// When to look again without being woken.
  package var nextLook: Moment?
  package var backoff = Backoff()
  /// How often this subject was looked at within the present second, so that a storm of hints is throttled.
  package var burst = Burst()
  package var cause = WakeCause.start
  package var observation: Observation?
  package var decisions: [Decision] = []
  /// Of each drift the decision that was told last, so that it is not told again; while one settles, the one before it.
  package var told: [Decision] = []
  package var lastLook: WallTime?
  package var lastHeal: WallTime?
  /// Acts that were done and not yet seen to have helped (law L10).
  package var unverified: [Heal] = []
  /// Obstacles that were recorded and are still there, so that each is told once and not at each retry.
  package var obstacles: Set<Obstacle> = []
  /// What failed last, for the same reason.
  package var lastFailure: Obstacle?
  package var isTrustedLinkTold = false
  package var isForeignEscrowTold = false
  /// Drift that this very pass saw healed.
  package var justHealed: Set<Drift> = []
  /// When a Secret was last changed by us: the start of the watch for a collision (law L10).
  package var secretHealedAt: Moment?

  /// Acts in a row whose precondition did not hold.
  package var surprises = 0
  package static let surpriseLimit = 3

  package init(watchedSince: Moment? = nil) { secretHealedAt = watchedSince }

  /// Those that keep something from being seen.
  var unseenObstacles: Set<Obstacle> { obstacles.subtracting(observation?.standingObstacles ?? []) }

  package struct Heal: Hashable, Sendable {
    package var drift: Drift
    package var action: Action
    package var pass: PassID
    package var at: Moment
  }

  package struct Burst: Hashable, Sendable {
    /// Looks within one second that are taken at once; those beyond wait for quiet.
    package static let limit = 20
    package var second: Int64 = .min
    package var looks = 0

    package mutating func isSpent(at now: Moment) -> Bool {
      let current = now.nanoseconds / 1_000_000_000
      if current != second {
        second = current
        looks = 0
      }
      looks += 1
      return looks > Self.limit
    }
  }
}
