extension ManifestObservation {
  /// Beyond so many the facts only say how many more.
  private static let shownLimit = 10

  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] {
    switch comparison {
    case .unknown(let obstacle): return [Explanation.Fact("manifests", "unknown: \(obstacle)")]
    case .absent: return [Explanation.Fact("manifests", "there are none")]
    case .present(let comparison):
      return [
        Explanation.Fact("manifests", "\(comparison.fileCount)"),
        Explanation.Fact("baseline", comparison.baseline),
      ] + changes(comparison, circumstances)
        + comparison.obstacles.map { Explanation.Fact("not looked at", "\($0)") }
        + (standingObstacle.map { [Explanation.Fact("not watched, looked at now and then", "\($0)")] } ?? [])
    }
  }

  private func changes(_ comparison: ManifestComparison, _ circumstances: Circumstances) -> [Explanation.Fact] {
    guard let search = ManifestSearch(self, circumstances) else { return [] }
    let facts = comparison.changes.prefix(Self.shownLimit).map { change in
      Explanation.Fact(change.kind.rawValue, "\(change.path); \(search.words(change))")
    }
    let more = comparison.changes.count - facts.count
    return more > 0 ? facts + [Explanation.Fact("and", "\(more) more: nodepassd manifests diff")] : facts
  }
}

extension ManifestComparison {
  fileprivate var baseline: String {
    guard hasBaseline else { return "none yet: what is there is about to be taken on trust" }
    return "\(changes.isEmpty ? "nothing differs" : "\(changes.count) differ")"
      + (acceptedVersion.map { "; accepted under \($0)" } ?? "; accepted under a version that was not known")
  }
}
