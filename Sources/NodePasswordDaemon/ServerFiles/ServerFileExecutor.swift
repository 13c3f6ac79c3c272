import NodePasswordCore

/// Does what a plan says about the files below `server/`.
struct ServerFileExecutor: Sendable {
  let ports: Ports
  let tell: Tell

  func perform(
    _ action: ServerFileAction, _ installation: Installation, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    switch action {
    case .removeLegacyFile: completion(.failed(Obstacle(.notConfigured, at: action.word, "not done yet")))
    }
  }
}
