import NodePasswordCore

/// Holds a node's derived passwords against its Secret, one generation after the other, until one matches.
struct DerivedVerifier: Sendable {
  let keys: any FleetKeys
  let verifier: HashVerifier

  /// Absent: nothing is to be tried, or there is no fleet key here.
  func match(
    _ name: NodeName, _ generations: [Int], _ secret: Observed<SecretReading>,
    _ completion: @escaping @Sendable (Observed<DerivedMatch>) -> Void
  ) {
    guard !generations.isEmpty else { return completion(.absent) }
    switch secret {
    case .unknown(let obstacle): completion(.unknown(obstacle))
    case .absent: attempt(name, generations[...], [], nil, completion)
    // A hash that is unusable is a finding of its own, and fits nothing.
    case .present(let reading):
      attempt(name, generations[...], [], reading.facts.hash == .wellFormed ? reading : nil, completion)
    }
  }

  private func attempt(
    _ name: NodeName, _ rest: ArraySlice<Int>, _ tried: [Int], _ secret: SecretReading?,
    _ completion: @escaping @Sendable (Observed<DerivedMatch>) -> Void
  ) {
    guard let generation = rest.first else {
      return completion(.present(DerivedMatch(generation: nil, tried: tried)))
    }
    keys.password(of: name, generation: generation) { answer in
      switch answer.observed() {
      case .absent: completion(.absent)
      case .unknown(let obstacle): completion(.unknown(obstacle))
      case .present(let password):
        guard let secret else { return completion(.present(DerivedMatch(generation: nil, tried: []))) }
        verifier.verify(password, .derived(name, generation), secret) { verdict in
          switch verdict {
          case .present(.matches):
            completion(.present(DerivedMatch(generation: generation, tried: tried + [generation])))
          case .present(.differs): attempt(name, rest.dropFirst(), tried + [generation], secret, completion)
          case .absent: completion(.absent)
          case .unknown(let obstacle): completion(.unknown(obstacle))
          }
        }
      }
    }
  }
}
