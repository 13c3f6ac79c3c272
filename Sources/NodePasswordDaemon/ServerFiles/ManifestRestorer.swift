import NodePasswordCore

/// Puts manifests back as they were accepted, one after the other, and loses nothing of what it displaces.
package struct ManifestRestorer: Sendable {
  private let manifests: any Manifests
  private let baseline: any ManifestBaseline
  private let installation: Installation
  private let permit: Permit

  package init(
    manifests: any Manifests, baseline: any ManifestBaseline, installation: Installation, permit: Permit = Permit()
  ) {
    self.permit = permit
    self.manifests = manifests
    self.baseline = baseline
    self.installation = installation
  }

  init(ports: Ports, installation: Installation, permit: Permit) {
    self.init(
      manifests: ports.manifests, baseline: ports.manifestBaseline, installation: installation, permit: permit)
  }

  package func restore(_ restores: [ManifestRestore], _ completion: @escaping @Sendable (Outcome) -> Void) {
    restore(restores[...], completion)
  }

  /// The first that does not go as planned ends it: the next look tells what is left to do.
  private func restore(_ rest: ArraySlice<ManifestRestore>, _ completion: @escaping @Sendable (Outcome) -> Void) {
    guard let next = rest.first else { return completion(.done) }
    // Asked before each of them (laws L3, L9): many may take a while.
    guard permit.stands else { return completion(.surprised("a hold-off began, or the policy changed, on the way")) }
    perform(next) { answer in
      guard case .success = answer else { return completion(Outcome(answer)) }
      restore(rest.dropFirst(), completion)
    }
  }

  private func perform(_ restore: ManifestRestore, _ completion: @escaping Completion<Void>) {
    switch restore.step {
    case .remove(let identity):
      displace(restore.path, identity, completion) {
        manifests.remove(restore.path, being: identity, installation, completion)
      }
    case .putBack(let digest, let mode, let expectation):
      baseline.copy(of: digest) { answer in
        switch answer.observed() {
        case .unknown(let obstacle): completion(.failure(obstacle))
        case .absent:
          completion(
            .failure(
              Obstacle(.notConfigured, at: restore.path, "its copy in the baseline is gone; its SHA-256 is \(digest)")))
        case .present(let bytes):
          let write: @Sendable () -> Void = {
            manifests.write(bytes, to: restore.path, mode: mode, over: expectation, installation) { answer in
              completion(answer.map { _ in () })
            }
          }
          guard case .exactly(let identity) = expectation else { return write() }
          displace(restore.path, identity, completion, then: write)
        }
      }
    }
  }

  /// What is there may be somebody's only copy.
  private func displace(
    _ path: String, _ identity: FileIdentity, _ failed: @escaping Completion<Void>,
    then go: @escaping @Sendable () -> Void
  ) {
    manifests.read(path, being: identity, installation) { answer in
      switch answer {
      case .failure(let obstacle): failed(.failure(obstacle))
      case .success(let bytes):
        baseline.keepDisplaced(bytes, of: path) { answer in
          switch answer {
          case .failure(let obstacle): failed(.failure(obstacle))
          case .success: go()
          }
        }
      }
    }
  }
}
