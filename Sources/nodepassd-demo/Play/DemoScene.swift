import ArgumentParser

/// Acts that belong together, in a world of their own.
protocol DemoScene {
  /// In a sentence, for the audience.
  var title: String { get }
  var setting: DemoWorld.Setting { get }
  /// How many acts `play` ends, each with a row: one that is left out is no success.
  var actCount: Int { get }

  /// - Throws: where the damage cannot be done or a process not be started; the scene is over then, and has failed.
  func play(on stage: DemoStage) throws
}

/// What is played, by the names it is chosen by.
enum SceneName: String, CaseIterable, ExpressibleByArgument {
  case all
  case losses
  case credential
  case reprovision
  case legacy
  case tokens
  case manifests

  /// In the order in which they are played.
  var scenes: [any DemoScene] {
    switch self {
    // The one that is left out takes as long as both together.
    case .all: [SceneOfLosses(), SceneOfCredential()]
    case .losses: [SceneOfLosses()]
    case .credential: [SceneOfCredential()]
    case .reprovision: [SceneOfReprovision()]
    case .legacy: [SceneOfLegacy()]
    case .tokens: [SceneOfTokens()]
    case .manifests: [SceneOfManifests()]
    }
  }
}
