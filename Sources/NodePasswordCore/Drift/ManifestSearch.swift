/// Drift below `server/manifests` (design 5), and what of it is the product's own work.
package struct ManifestSearch {
  private let comparison: ManifestComparison
  private let memory: ManifestMemory
  private let timing: Timing
  private let now: Moment
  private let judgements: [ManifestExpectation.Judgement]
  /// What this machine's own Node reports; `nil`: not known.
  private let version: String?

  /// `nil`: nothing is known of the manifests, or there are none.
  package init?(_ observation: ManifestObservation, _ circumstances: Circumstances) {
    guard case .present(let comparison) = observation.comparison, let installation = circumstances.installation,
      installation.hasServerRole
    else { return nil }
    self.comparison = comparison
    memory = circumstances.serverFiles.manifests
    timing = circumstances.policy.timing
    now = circumstances.now.monotonic
    let reported = circumstances.verdicts?.node.value?.kubeletVersion ?? ""
    version = reported.isEmpty ? nil : reported
    let expectation = ManifestExpectation(
      distribution: installation.distribution, disabled: observation.disabled ?? installation.disabledAddons,
      server: observation.server,
      isNewVersion: comparison.acceptedVersion.map { [version] in version != nil && version != $0 } ?? false)
    judgements = comparison.changes.map(expectation.judge)
  }

  static func find(in seen: ManifestObservation, _ circumstances: Circumstances) -> [Finding] {
    ManifestSearch(seen, circumstances)?.findings() ?? []
  }

  private func isRested(_ change: ManifestChange) -> Bool {
    memory.rested(change, for: timing.settle, at: now) <= now
  }

  // MARK: Drift

  /// At most one of each kind.
  package func findings() -> [Finding] { ManifestChange.Kind.allCases.compactMap(finding) }

  private func finding(_ kind: ManifestChange.Kind) -> Finding? {
    var (certain, undecided, resting) = ([String](), [String](), [Moment]())
    var reason: String?
    for (change, judgement) in zip(comparison.changes, judgements) where change.kind == kind {
      if case .expected = judgement { continue }
      guard isRested(change) else {
        resting.append(memory.rested(change, for: timing.settle, at: now))
        continue
      }
      if case .unknown(let words) = judgement {
        undecided.append(change.path)
        reason = reason ?? words
      } else {
        certain.append(change.path)
      }
    }
    let detail = "\(kind.words): \(NameList.list(certain + undecided))"
    if !certain.isEmpty { return Finding(kind.drift, detail) }
    if let reason { return Finding(kind.drift, detail, .undecided(reason)) }
    guard let end = resting.min() else { return nil }
    return Finding(kind.drift, kind.words, .waiting(.settle, until: end))
  }

  /// What one change is taken for.
  func words(_ change: ManifestChange) -> String {
    guard let index = comparison.changes.firstIndex(of: change) else { return "" }
    switch judgements[index] {
    case .expected(let origin): return "expected: \(origin.rawValue)"
    case .unexpected: return "not the server's own work"
    case .unknown(let reason): return reason
    }
  }

  /// What may be acted on now: certainly nobody's whom we expect, and at rest.
  package func certain(_ drift: Drift) -> [ManifestChange] {
    zip(comparison.changes, judgements).filter { change, judgement in
      change.kind.drift == drift && judgement == .unexpected && isRested(change)
    }.map(\.0)
  }

  static func action(
    for remedy: Remedy, _ finding: Finding, _ seen: ManifestObservation, _ circumstances: Circumstances
  ) -> ActionMaker.Answer {
    guard remedy == .restoreManifest else { return .impossible("\(remedy.rawValue) is not for manifests") }
    guard let search = ManifestSearch(seen, circumstances) else { return .impossible("the manifests are not known") }
    let (possible, hindrances) = ManifestRestore.make(for: search.certain(finding.drift))
    guard !possible.isEmpty else { return .impossible(hindrances.first ?? "there is nothing to restore") }
    return .possible(.serverFile(.restoreManifests(Array(possible.prefix(ManifestRestore.limit)))))
  }

  // MARK: Upkeep

  /// What is to be accepted without a person, and when more may have come to rest.
  package func upkeep() -> (action: Action?, possibleFrom: Moment?) {
    guard comparison.hasBaseline else {
      let rested = memory.treeRested(for: timing.settle, at: now)
      guard rested <= now else { return (nil, rested) }
      let everything = ManifestAcceptance.Scope.everything(comparison.fingerprint, count: comparison.fileCount)
      return (.serverFile(.acceptManifests(ManifestAcceptance(everything, version: version))), nil)
    }
    var items: [ManifestAcceptance.Item] = []
    var resting: [Moment] = []
    for (change, judgement) in zip(comparison.changes, judgements) {
      guard isRested(change) else {
        resting.append(memory.rested(change, for: timing.settle, at: now))
        continue
      }
      guard case .expected(let origin) = judgement else { continue }
      items.append(ManifestAcceptance.Item(path: change.path, origin: origin, file: change.file?.identity))
    }
    // The version is another only once all that came with it is in.
    let newVersion = resting.isEmpty && version != comparison.acceptedVersion ? version : nil
    guard !items.isEmpty || newVersion != nil else { return (nil, resting.min()) }
    return (.serverFile(.acceptManifests(ManifestAcceptance(.changes(items), version: newVersion))), resting.min())
  }
}

extension ManifestChange.Kind {
  /// What the names of the files follow.
  fileprivate var words: String {
    switch self {
    case .added: "not in the baseline, and applied by the server"
    case .changed: "differing from the baseline"
    case .removed: "in the baseline, and gone"
    case .skipped: "keeping a file of the baseline from being applied"
    }
  }
}

extension ManifestRestore {
  /// What puts these right, as far as that can be done, and of the others why not.
  package static func make(for changes: [ManifestChange]) -> (possible: [ManifestRestore], hindrances: [String]) {
    var possible: [ManifestRestore] = []
    var hindrances: [String] = []
    for change in changes {
      switch step(for: change) {
      case .success(let step): possible.append(ManifestRestore(path: change.path, step: step))
      case .failure(let cause): hindrances.append("\(change.path) \(cause.words)")
      }
    }
    return (possible, hindrances)
  }

  private struct Hindrance: Error {
    var words: String
  }

  private static func step(for change: ManifestChange) -> Result<Step, Hindrance> {
    if change.file?.isBehindLink == true {
      return .failure(Hindrance(words: "is a link or lies behind one, and nothing is written through a link"))
    }
    if change.file?.contents.obstacle != nil {
      return .failure(Hindrance(words: "cannot be read, and what cannot be kept first is not replaced or removed"))
    }
    switch change.kind {
    case .added, .skipped:
      guard let file = change.file else { return .failure(Hindrance(words: "is not there")) }
      return .success(.remove(file.identity))
    case .changed, .removed:
      guard let entry = change.accepted, let digest = entry.digest else {
        return .failure(Hindrance(words: "could not be read when it was accepted, so what it was is not known"))
      }
      guard entry.hasCopy else {
        return .failure(
          Hindrance(words: "has no copy to restore it from: it was too large to keep; its SHA-256 is \(digest)"))
      }
      let over: Action.FileExpectation = change.file.map { .exactly($0.identity) } ?? .absent
      return .success(.putBack(digest, mode: entry.mode, over: over))
    }
  }
}
