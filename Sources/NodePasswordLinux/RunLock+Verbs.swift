import NodePasswordCore

extension RunLock {
  /// For verbs that change what belongs to the daemon: holds the daemon's lock, so that none starts meanwhile. `.busy`
  /// where one runs.
  ///
  /// Nothing in this process may look at the lock while it is held: closing the file anywhere drops it (fcntl(2)).
  package static func takeForVerb(_ paths: Paths) -> Result<RunLock, Obstacle> {
    Descriptor.directory(making: paths.runtimeDirectory)
      .mapError { $0.obstacle(at: paths.runtimeDirectory) }
      .flatMap { _ in take(paths.lockFile) }
  }
}
