import NodePasswordCore
import NodePasswordDaemon

/// `cred/node-passwd` in pretence: one file, and a K3s that may rename another over it between any two steps of ours.
package struct LegacyDisk: Sendable {
  private static let place = "node-passwd"

  private var file: LegacyPasswordFile?
  private var version: Int64 = 0
  private var waiting = DisplacedRows()
  /// What another writer makes of the file, before each of our steps, until there are none left.
  package var rivals: [@Sendable (LegacyPasswordFile?) -> LegacyPasswordFile?] = []

  package init() {}

  package var text: [UInt8]? { file.map { $0.withText { Array($0) } } }

  /// As another writer leaves it; `nil`: removed.
  package mutating func put(_ file: LegacyPasswordFile?) {
    self.file = file
    version += 1
  }

  package func password(of name: NodeName) -> [UInt8]? {
    file?.password(of: name, .lastCounts).map { $0.withBytes { Array($0) } }
  }

  /// As a person with an editor does it.
  mutating func removeRow(of name: NodeName) {
    let lines = rows.filter { !$0.contains(",\(name),") }
    put(lines)
  }

  /// In front of whatever there is: they do not count where there is a row already.
  mutating func addRows(of name: NodeName, _ passwords: [String]) {
    put(passwords.map { "\($0),\(name),\(name)," } + rows)
  }

  private var rows: [String] {
    (text ?? []).split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
  }

  private mutating func put(_ lines: [String]) {
    put(LegacyPasswordFile(SecretBytes(copying: Array(lines.map { $0 + "\n" }.joined().utf8))))
  }

  private var identity: FileIdentity? {
    file.map { FileIdentity(device: 1, inode: UInt64(version), changeTime: version, size: Int64($0.withText(\.count))) }
  }

  package mutating func read(at now: Moment) -> Observed<LegacyReading> {
    guard let file, let identity else { return .absent }
    return .present(
      LegacyReading(identity: identity, file: file, displaced: waiting.all(at: now).missingCount(in: file)))
  }

  package mutating func edit(_ edit: LegacyRowEdit, at now: Moment) -> Result<FileIdentity, Obstacle> {
    if let objection = objection(to: edit.expectation) { return .failure(objection) }
    var merge = LegacyMerge(edit, meeting: waiting.all(at: now))
    defer { waiting.replace(with: merge.met, at: now) }
    for _ in 0..<LegacyMerge.attemptLimit {
      let (base, seen) = (file, version)
      switch merge.step(from: base) {
      case .failed(let kind, let detail): return .failure(Obstacle(kind, at: Self.place, detail))
      case .done:
        return identity.map { .success($0) }
          ?? .failure(Obstacle(.conflict, at: Self.place, "there is nothing to change any more"))
      case .write(let target):
        if !rivals.isEmpty { put(rivals.removeFirst()(file)) }
        guard let out = file, version != seen else {
          if file == nil, base != nil { return .failure(Obstacle(.conflict, at: Self.place, "the file is gone")) }
          put(target)
          return ended(merge)
        }
        put(target)
        merge.cameOut(out, insteadOf: base ?? .empty, for: target)
      }
    }
    return .failure(Obstacle(.conflict, at: Self.place, "another writer was faster each time"))
  }

  private func ended(_ merge: LegacyMerge) -> Result<FileIdentity, Obstacle> {
    if case .failed(let kind, let detail) = merge.ended { return .failure(Obstacle(kind, at: Self.place, detail)) }
    return identity.map { .success($0) } ?? .failure(Obstacle(.conflict, at: Self.place, "the file is gone"))
  }

  package mutating func remove(_ identity: FileIdentity) -> Result<Void, Obstacle> {
    if let objection = objection(to: .exactly(identity)) { return .failure(objection) }
    put(nil)
    return .success(())
  }

  private func objection(to expectation: Action.FileExpectation) -> Obstacle? {
    switch (expectation, identity) {
    case (.absent, nil): nil
    case (.absent, .some): Obstacle(.conflict, at: Self.place, "a file has appeared meanwhile")
    case (.exactly, nil): Obstacle(.conflict, at: Self.place, "the file is gone")
    case (.exactly(let expected), let there?):
      expected == there ? nil : Obstacle(.conflict, at: Self.place, "the file is another by now")
    }
  }
}
