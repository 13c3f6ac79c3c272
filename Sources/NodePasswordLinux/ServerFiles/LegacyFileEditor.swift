import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// One change of `cred/node-passwd` on disk, as `LegacyMerge` decides it. What came out of a swap and is another writer's keeps
/// its name until its rows are back, so that a crash loses none.
struct LegacyFileEditor {
  /// What we have written and not yet put in place carries the sticky bit, which means nothing on a file and which nobody
  /// else sets: after a crash it tells our own draft from a file that was pushed aside.
  static let draftMode: mode_t = 0o1600

  let path: String
  let directory: Descriptor
  let entropy: any Entropy
  private var merge: LegacyMerge
  /// Names of files that were pushed aside and are not ours to lose.
  private var aside: [String] = []

  /// - Parameter waiting: rows that an earlier change met.
  init(
    _ edit: LegacyRowEdit, meeting waiting: LegacyRowChanges, path: String, directory: Descriptor, entropy: any Entropy
  ) {
    self.path = path
    self.directory = directory
    self.entropy = entropy
    merge = LegacyMerge(edit, meeting: waiting)
  }

  var met: LegacyRowChanges { merge.met }
  private var name: String { SplitPath(path).name }
  private var swap: NameSwap { NameSwap(directory: directory, name: name, place: path) }

  mutating func run(over expectation: Action.FileExpectation) -> Result<FileIdentity, Obstacle> {
    var expectation: Action.FileExpectation? = expectation
    for _ in 0..<LegacyMerge.attemptLimit {
      let base: LegacyFileSnapshot?
      switch LegacyFileSnapshot.read(name, in: directory, place: path) {
      case .unknown(let obstacle): return .failure(obstacle)
      case .absent: base = nil
      case .present(let snapshot): base = snapshot
      }
      if let expected = expectation.take() {
        if let refusal = refusal(base, expected) { return .failure(refusal) }
        takeUpLeftovers(beside: base?.file)
      }
      guard case .ended(let result) = step(from: base) else { continue }
      if case .success = result { removeAside() }
      return result
    }
    return .failure(Obstacle(.conflict, at: path, "another writer was faster \(LegacyMerge.attemptLimit) times"))
  }

  private func refusal(_ base: LegacyFileSnapshot?, _ expectation: Action.FileExpectation) -> Obstacle? {
    switch (expectation, base) {
    case (.absent, nil): nil
    case (.absent, .some): Obstacle(.conflict, at: path, "a file has appeared meanwhile")
    case (.exactly, nil): Obstacle(.conflict, at: path, "the file is gone")
    case (.exactly(let identity), let base?):
      FileIdentity(base.status) == identity ? nil : Obstacle(.conflict, at: path, "the file is another by now")
    }
  }

  private enum Step {
    case again
    case ended(Result<FileIdentity, Obstacle>)
  }

  private mutating func step(from base: LegacyFileSnapshot?) -> Step {
    let step = merge.step(from: base?.file)
    guard case .write(let target) = step else { return .ended(ending(step, base?.status)) }
    let temporary = AtomicFile.temporaryName(for: name, entropy)
    let written = target.withText { bytes in
      AtomicFile(path, entropy: entropy)
        .write(bytes, to: temporary, base?.status, AtomicFile.Attributes(mode: Self.draftMode), in: directory)
    }
    switch written {
    case .failure(let obstacle): return .ended(.failure(obstacle))
    case .success(let made):
      defer { removeDraft(temporary, made) }
      return base.map { exchange(temporary, made, target, for: $0) } ?? take(temporary, made)
    }
  }

  private func ending(_ step: LegacyMerge.Step, _ status: stat?) -> Result<FileIdentity, Obstacle> {
    if case .failed(let kind, let detail) = step { return .failure(Obstacle(kind, at: path, detail)) }
    guard let status else { return .failure(Obstacle(.conflict, at: path, "there is nothing to change any more")) }
    return .success(FileIdentity(status))
  }

  // MARK: Changing places

  private func take(_ temporary: String, _ made: stat) -> Step {
    switch swap.take(temporary) {
    case .success: .ended(settle(made))
    case .failure(let obstacle) where obstacle.kind == .conflict: .again
    case .failure(let obstacle): .ended(.failure(obstacle))
    }
  }

  private mutating func exchange(
    _ temporary: String, _ made: stat, _ target: LegacyPasswordFile, for base: LegacyFileSnapshot
  ) -> Step {
    // Writing took a while; what has changed by now need not be pushed aside first.
    guard case .success(let there) = directory.status(of: name), base.status.isSameFile(as: there) else {
      return .again
    }
    switch swap.trade(temporary, for: base.status) {
    case .failure(let obstacle) where obstacle.kind == .conflict: return .again
    case .failure(let obstacle): return .ended(.failure(obstacle))
    case .success(false): return .ended(settle(made))
    case .success(true): break
    }
    guard case .success(let out) = directory.status(of: temporary), base.status.isSameFile(as: out) else {
      return workIn(temporary, target, insteadOf: base.file)
    }
    unlinkat(directory.number, temporary, 0)
    return .ended(settle(made))
  }

  private mutating func workIn(
    _ other: String, _ ours: LegacyPasswordFile, insteadOf base: LegacyPasswordFile
  ) -> Step {
    aside.append(other)
    switch LegacyFileSnapshot.read(other, in: directory, place: path) {
    case .present(let out): merge.cameOut(out.file, insteadOf: base, for: ours)
    case .absent: break
    case .unknown(let obstacle): return .ended(.failure(obstacle))
    }
    return .again
  }

  /// It is in place for good: the mark of a draft goes, and the names are made to last.
  private func settle(_ made: stat) -> Result<FileIdentity, Obstacle> {
    Self.clearMark(name, made, in: directory)
    if case .failure(let error) = directory.sync() { return .failure(error.obstacle(at: SplitPath(path).directory)) }
    switch directory.status(of: name) {
    case .success(let status): return ending(merge.ended, status)
    case .failure(let error): return .failure(error.obstacle(at: path))
    }
  }

  /// K3s may have put another file there by now, which has no mark. A mark that stays means nothing to anybody but a later
  /// run, which takes it away.
  static func clearMark(_ name: String, _ made: stat? = nil, in directory: Descriptor) {
    guard case .success(let file) = Descriptor.open(name, in: directory, O_RDONLY),
      case .success(let there) = file.status(), made.map({ $0.st_ino == there.st_ino }) ?? true, there.isDraft
    else { return }
    fchmod(file.number, 0o600)
  }

  /// Never what came out: that is another's file.
  private func removeDraft(_ temporary: String, _ made: stat) {
    guard case .success(let there) = directory.status(of: temporary), there.st_ino == made.st_ino else { return }
    unlinkat(directory.number, temporary, 0)
  }

  // MARK: Left over

  /// What a crash of an earlier change left: its draft is nothing, and what it had pushed aside may be the only place of a
  /// row.
  private mutating func takeUpLeftovers(beside file: LegacyPasswordFile?) {
    let left = LegacyLeftovers(path: path, directory: directory)
    left.removeDrafts()
    for (name, other) in left.aside() {
      if let file, left.isKept(other, by: file) {
        unlinkat(directory.number, name, 0)
        continue
      }
      aside.append(name)
      merge.takeUp(other, beside: file)
    }
  }

  private func removeAside() {
    for name in aside { unlinkat(directory.number, name, 0) }
  }
}

extension stat {
  /// Written by us and not yet in place, or in place and not yet told so.
  var isDraft: Bool { FileKind(self) == .regular && st_mode & 0o7000 == 0o1000 }
}
