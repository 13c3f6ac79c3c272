import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// What the file on a real disk and the one in pretence must both do.
@Suite struct LegacyConformanceTests {
  /// One of the two, and how other writers get at it.
  private struct Port {
    var put: (String?) throws -> Void
    var text: () throws -> String?
    var read: () throws -> Observed<LegacyReading>
    var edit: (LegacyRowEdit) throws -> Result<FileIdentity, Obstacle>
    var remove: (FileIdentity) throws -> Result<Void, Obstacle>
    /// Done by another writer between the next look of an edit and its write.
    var meanwhile: (@escaping @Sendable (String?) -> String?) -> Void
  }

  private func forBoth(_ body: (Port) throws -> Void) throws {
    try body(real())
    try body(pretended())
  }

  private func real() throws -> Port {
    let root = try PrivateRoot()
    let rival = Shared<(@Sendable (String?) -> String?)?>(nil)
    let put: @Sendable (String?) -> Void = { text in
      if let text { try? root.write(text, LegacyScratch.file) } else { try? root.remove(LegacyScratch.file) }
    }
    let scratch = try LegacyScratch(
      root,
      entropy: HookedEntropy {
        if let change = rival.with({ $0.take() }) { put(change(root.read(LegacyScratch.file))) }
      })
    return Port(
      put: put, text: { scratch.text }, read: { try scratch.read() }, edit: { try scratch.edit($0) },
      remove: { try scratch.remove($0) }, meanwhile: { change in rival.with { $0 = change } })
  }

  private func pretended() -> Port {
    let disk = Shared(LegacyDisk())
    func file(_ text: String?) -> LegacyPasswordFile? {
      text.map { LegacyPasswordFile(SecretBytes(copying: Array($0.utf8))) }
    }
    return Port(
      put: { text in disk.with { $0.put(file(text)) } },
      text: { disk.with { $0.text }.map { String(decoding: $0, as: UTF8.self) } },
      read: { disk.with { $0.read(at: Moment(nanoseconds: 0)) } },
      edit: { edit in disk.with { $0.edit(edit, at: Moment(nanoseconds: 0)) } },
      remove: { identity in disk.with { $0.remove(identity) } },
      meanwhile: { change in
        disk.with {
          $0.rivals = [
            { before in
              change(before.map { $0.withText { String(decoding: $0, as: UTF8.self) } })
                .map { LegacyPasswordFile(SecretBytes(copying: Array($0.utf8))) }
            }
          ]
        }
      })
  }

  private let own: NodeName
  private let secret = NodePassword(copying: Array("cc".utf8))

  init() throws { own = try #require(NodeName("own")) }

  private var write: LegacyChange { .write(secret, for: own) }

  private func edit(_ change: LegacyChange, on port: Port) throws -> Result<FileIdentity, Obstacle> {
    let identity = try port.read().value?.identity
    return try port.edit(LegacyRowEdit(change, .lastCounts, over: identity.map { .exactly($0) } ?? .absent))
  }

  @Test func rowsAreWrittenAndRemoved() throws {
    try forBoth { port in
      #expect(try port.read().isAbsent)
      #expect(try edit(write, on: port).isDone)
      #expect(try port.text() == "cc,own,own,\n")
      try port.put("aa,a\r\nbb,own\ndd,a")
      #expect(try edit(write, on: port).isDone)
      #expect(try port.text() == "aa,a\r\ncc,own\ndd,a")
      #expect(try edit(.removeShadowed, on: port).isDone)
      #expect(try port.text() == "cc,own\ndd,a")
      let identity = try #require(try port.read().value?.identity)
      #expect(try edit(write, on: port).isDone)
      #expect(try port.read().value?.identity == identity, "nothing was to be written")
      #expect(try port.remove(identity).obstacleKind == nil)
      #expect(try port.text() == nil && port.read().isAbsent)
    }
  }

  @Test func anIdentityIsOfOneFile() throws {
    try forBoth { port in
      try port.put("aa,a\n")
      let old = try #require(try port.read().value?.identity)
      try port.put("aa,a\nbb,b\n")
      #expect(try port.edit(LegacyRowEdit(write, .lastCounts, over: .exactly(old))).obstacleKind == .conflict)
      #expect(try port.edit(LegacyRowEdit(write, .lastCounts, over: .absent)).obstacleKind == .conflict)
      #expect(try port.remove(old).obstacleKind == .conflict)
      #expect(try port.text() == "aa,a\nbb,b\n")
      try port.put(nil)
      #expect(try port.edit(LegacyRowEdit(write, .lastCounts, over: .exactly(old))).obstacleKind == .conflict)
      #expect(try port.remove(old).obstacleKind == .conflict)
    }
  }

  @Test func whatComesMeanwhileStays() throws {
    try forBoth { port in
      try port.put("aa,a\n")
      port.meanwhile { ($0 ?? "") + "bb,b\n" }
      #expect(try edit(write, on: port).isDone)
      #expect(try port.text() == "aa,a\nbb,b\ncc,own,own,\n" || port.text() == "aa,a\ncc,own,own,\nbb,b\n")
    }
  }

  @Test func anOwnRowThatComesMeanwhileWins() throws {
    try forBoth { port in
      try port.put("aa,a\n")
      port.meanwhile { _ in "aa,a\nxx,own,own,\n" }
      #expect(try edit(write, on: port).obstacleKind == .conflict, "its row was written by another")
      #expect(try port.text() == "aa,a\nxx,own,own,\n")
    }
  }

  @Test func aRowThatGoesMeanwhileIsGone() throws {
    try forBoth { port in
      try port.put("aa,a\nbb,b\n")
      port.meanwhile { _ in "bb,b\n" }
      #expect(try edit(write, on: port).isDone)
      #expect(try port.text() == "bb,b\ncc,own,own,\n")
    }
  }

  @Test func aFileThatGoesMeanwhileIsNotMadeAnew() throws {
    try forBoth { port in
      try port.put("aa,a\n")
      port.meanwhile { _ in nil }
      #expect(try edit(write, on: port).obstacleKind == .conflict)
      #expect(try port.text() == nil)
    }
  }

  @Test func nothingIsAddedBehindAnOpenQuote() throws {
    try forBoth { port in
      try port.put("aa,a\n\"bb,b\n")
      #expect(try edit(write, on: port).obstacleKind == .malformed)
      #expect(try port.text() == "aa,a\n\"bb,b\n")
    }
  }
}

/// A value behind a lock, for closures.
private final class Shared<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }

  func with<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}
