import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// `cred/node-passwd` on the real file system.
package final class LinuxLegacyPasswords: LegacyPasswords {
  private let paths: Paths
  private let entropy: any Entropy
  private let moment: @Sendable () -> Moment
  /// Of its own: a lost password must not wait for the rows of a thousand nodes.
  private let queue = DispatchQueue(label: "nodepassd.legacy-passwords", qos: .utility)
  private let displaced = Mutex(DisplacedRows())

  /// - Parameter moment: the clock by which rows that were met are forgotten again.
  package init(
    paths: Paths, entropy: any Entropy, moment: @escaping @Sendable () -> Moment = { DispatchScheduler.moment }
  ) {
    self.paths = paths
    self.entropy = entropy
    self.moment = moment
  }

  private func path(_ installation: Installation) -> String { paths.absolute(installation.legacyPasswordPath) }

  private func directory(of path: String) -> Result<Descriptor, Obstacle> {
    let directory = SplitPath(path).directory
    return Descriptor.directory(directory).mapError { $0.obstacle(at: directory) }
  }

  /// Rows that a change met, as long as they count.
  private var waiting: LegacyRowChanges {
    displaced.withLock { $0.all(at: moment()) }
  }

  package func read(_ installation: Installation, _ completion: @escaping Completion<Observed<LegacyReading>>) {
    queue.async { @Sendable in completion(.success(self.read(self.path(installation)))) }
  }

  private func read(_ path: String) -> Observed<LegacyReading> {
    let split = SplitPath(path)
    let directory: Descriptor
    switch Descriptor.directory(split.directory) {
    case .success(let opened): directory = opened
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .absent
    case .failure(let error): return .unknown(error.obstacle(at: split.directory))
    }
    return LegacyFileSnapshot.read(split.name, in: directory, place: path).map { snapshot in
      let aside = LegacyLeftovers(path: path, directory: directory).rows(missingIn: snapshot.file)
      return LegacyReading(
        identity: FileIdentity(snapshot.status), file: snapshot.file,
        displaced: (self.waiting + aside).missingCount(in: snapshot.file))
    }
  }

  package func edit(
    _ edit: LegacyRowEdit, of installation: Installation, _ completion: @escaping Completion<FileIdentity>
  ) {
    queue.async { @Sendable in
      let path = self.path(installation)
      completion(
        self.directory(of: path).flatMap { directory in
          var editor = LegacyFileEditor(
            edit, meeting: self.waiting, path: path, directory: directory, entropy: self.entropy)
          let outcome = editor.run(over: edit.expectation)
          self.displaced.withLock { $0.replace(with: editor.met, at: self.moment()) }
          return outcome
        })
    }
  }

  package func remove(
    _ identity: FileIdentity, of installation: Installation, _ completion: @escaping Completion<Void>
  ) {
    queue.async { @Sendable in
      let path = self.path(installation)
      completion(self.directory(of: path).flatMap { self.remove(path, identity, in: $0) })
    }
  }

  private func remove(_ path: String, _ identity: FileIdentity, in directory: Descriptor) -> Result<Void, Obstacle> {
    let swap = NameSwap(directory: directory, name: SplitPath(path).name, place: path)
    return swap.expectRegular(identity).flatMap { status in
      let contents = Erasure.open(swap.name, in: directory)
      // As a draft: what a crash leaves of it is nobody's row.
      if let contents, fchmod(contents.number, LegacyFileEditor.draftMode) != 0 {
        return .failure(.system(errno, at: path))
      }
      return swap.removeForGood(status, by: AtomicFile.temporaryName(for: swap.name, entropy))
        .map { if let contents { Erasure.overwrite(contents) } }
    }
  }

  /// In the queue's order, so never what a change of this run is at work on.
  package func sweepLeftovers(of installation: Installation) {
    queue.async { @Sendable in
      let path = self.path(installation)
      guard case .success(let directory) = self.directory(of: path) else { return }
      let left = LegacyLeftovers(path: path, directory: directory)
      left.removeDrafts()
      let name = SplitPath(path).name
      LegacyFileEditor.clearMark(name, in: directory)
      // Without the file itself nothing tells whether a row would be lost.
      guard let snapshot = LegacyFileSnapshot.read(name, in: directory, place: path).value else { return }
      for (name, aside) in left.aside() where left.isKept(aside, by: snapshot.file) {
        unlinkat(directory.number, name, 0)
      }
    }
  }
}
