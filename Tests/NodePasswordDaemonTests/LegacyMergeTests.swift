import NodePasswordCore
import NodePasswordDaemon
import Testing

/// Our changes beside a K3s that reads, thinks, and renames at any moment: no row is lost.
@Suite struct LegacyMergeTests {
  private let own = name("own")

  /// The file, and a K3s of one of the eras over it.
  private struct Disk {
    var file: LegacyPasswordFile?
    var version = 0

    mutating func put(_ new: LegacyPasswordFile) {
      file = new
      version += 1
    }
  }

  private struct K3s {
    let order: LegacyRowOrder
    /// What was read and is to be renamed over the file, with one more row.
    var draft: String?
    var joined: [String] = []

    mutating func read(_ disk: Disk, _ generator: inout some RandomNumberGenerator) {
      let name = "n\(joined.count)"
      joined.append(name)
      let text = disk.file?.string ?? ""
      switch order {
      case .firstCounts: draft = text + "p-\(name),\(name)\n"
      case .lastCounts:
        var rows: [String: String] = [:]
        for line in text.split(separator: "\n") {
          let fields = line.split(separator: ",", omittingEmptySubsequences: false)
          rows[String(fields[1])] = "\(fields[0]),\(fields[1]),\(fields[1]),"
        }
        rows[name] = "p-\(name),\(name),\(name),"
        draft = rows.values.shuffled(using: &generator).map { $0 + "\n" }.joined()
      }
    }

    mutating func rename(_ disk: inout Disk) {
      guard let draft else { return }
      disk.put(legacy(draft))
      self.draft = nil
    }

    mutating func mayStep(_ disk: inout Disk, _ generator: inout some RandomNumberGenerator) {
      while Int.random(in: 0..<3, using: &generator) == 0 {
        if draft == nil { read(disk, &generator) } else { rename(&disk) }
      }
    }
  }

  /// One change, with K3s between any two of its steps. Answers whether it was made.
  private func edit(
    _ change: LegacyChange, _ disk: inout Disk, _ k3s: inout K3s, _ waiting: inout DisplacedRows,
    _ generator: inout some RandomNumberGenerator
  ) -> Bool {
    let moment = Moment(nanoseconds: 0)
    var merge = LegacyMerge(
      LegacyRowEdit(change, k3s.order, over: .absent), meeting: waiting.all(at: moment))
    defer { waiting.replace(with: merge.met, at: moment) }
    for _ in 0..<LegacyMerge.attemptLimit {
      k3s.mayStep(&disk, &generator)
      let base = disk
      k3s.mayStep(&disk, &generator)
      switch merge.step(from: base.file) {
      case .done: return true
      case .failed: return false
      case .write(let target):
        k3s.mayStep(&disk, &generator)
        let out = disk
        disk.put(target)
        if out.version == base.version { return true }
        k3s.mayStep(&disk, &generator)
        if let other = out.file { merge.cameOut(other, insteadOf: base.file ?? .empty, for: target) }
      }
    }
    return false
  }

  @Test(arguments: LegacyRowOrder.allCases)
  func noRowIsLostInTheEnd(_ order: LegacyRowOrder) {
    var met = 0
    for seed in 0..<2_000 {
      var generator = SmallGenerator(seed: UInt64(seed))
      var disk = Disk()
      if seed % 3 != 0 { disk.put(legacy("p-old,old\np-x,own\np-dup,old\n")) }
      var k3s = K3s(order: order)
      var waiting = DisplacedRows()
      for round in 0..<6 {
        let change: LegacyChange = round % 3 == 2 ? .removeShadowed : .write(secret("w\(round)"), for: own)
        _ = edit(change, &disk, &k3s, &waiting, &generator)
        if !waiting.all(at: Moment(nanoseconds: 0)).isEmpty { met += 1 }
      }
      // K3s is done with what it had begun; then the next look puts right what is not.
      k3s.rename(&disk)
      var quiet = K3s(order: order)
      var still = SmallGenerator(seed: 0, isStill: true)
      #expect(edit(.write(secret("last"), for: own), &disk, &quiet, &waiting, &still), "seed \(seed)")
      let file = disk.file ?? .empty
      #expect(file.word(for: own, order) == "last", "seed \(seed)")
      for joined in k3s.joined {
        #expect(file.word(for: name(joined), order) == "p-" + joined, "seed \(seed): \(joined)")
      }
      if seed % 3 != 0 { #expect(file.word(for: name("old"), order) != nil, "seed \(seed)") }
    }
    #expect(met > 1_000)
  }

  @Test func aRowThatAnotherRemovedStaysRemoved() {
    let base = legacy("aa,a\nbb,b\n")
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .write(let ours) = merge.step(from: base) else { return #expect(Bool(false)) }
    merge.cameOut(legacy("bb,b\n"), insteadOf: base, for: ours)
    guard case .write(let next) = merge.step(from: ours) else { return #expect(Bool(false)) }
    #expect(next.string == "bb,b\ncc,own,own,\n")
  }

  @Test func aRowThatAnotherChangedStaysChanged() {
    let base = legacy("aa,a\nbb,b\n")
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .write(let ours) = merge.step(from: base) else { return #expect(Bool(false)) }
    merge.cameOut(legacy("xx,a\nbb,b\n"), insteadOf: base, for: ours)
    guard case .write(let next) = merge.step(from: ours) else { return #expect(Bool(false)) }
    #expect(next.word(for: name("a"), .lastCounts) == "xx" && next.rowCount == 3)
  }

  /// The own row, too: K3s has just accepted another password for this name.
  @Test func anOwnRowThatAnotherWroteWins() {
    let base = legacy("aa,a\n")
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .write = merge.step(from: base) else { return #expect(Bool(false)) }
    guard case .failed(.conflict, _) = merge.step(from: legacy("aa,a\nxx,own,own,\n")) else {
      return #expect(Bool(false))
    }
  }

  /// The same, seen only once ours was in its place.
  @Test func anOwnRowThatCameOutWins() {
    let base = legacy("aa,a\nbb,own\n")
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .write(let ours) = merge.step(from: base) else { return #expect(Bool(false)) }
    merge.cameOut(legacy("aa,a\nxx,own\n"), insteadOf: base, for: ours)
    guard case .write(let next) = merge.step(from: ours) else { return #expect(Bool(false)) }
    #expect(next.word(for: own, .lastCounts) == "xx" && next.rowCount == 2)
    guard case .failed(.conflict, _) = merge.step(from: next) else { return #expect(Bool(false)) }
  }

  @Test func aFileThatIsGoneIsNotMadeAnew() {
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    _ = merge.step(from: legacy("aa,a\n"))
    guard case .failed(.conflict, _) = merge.step(from: nil) else { return #expect(Bool(false)) }
  }

  /// A row that a person removes later is no lost one.
  @Test func rowsThatWereMetAreForgotten() {
    let base = legacy("aa,a\n")
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .write(let ours) = merge.step(from: base) else { return #expect(Bool(false)) }
    merge.cameOut(legacy("aa,a\nbb,b\n"), insteadOf: base, for: ours)
    var rows = DisplacedRows()
    rows.replace(with: merge.met, at: Moment(nanoseconds: 5))
    let last = Moment(nanoseconds: 5) + DisplacedRows.patience
    #expect(rows.all(at: Moment(nanoseconds: last.nanoseconds - 1)).missingCount(in: base) == 1)
    #expect(rows.all(at: last).missingCount(in: base) == 0)
  }
}

/// The same numbers for the same seed; a still one never lets anything happen.
private struct SmallGenerator: RandomNumberGenerator {
  private var state: UInt64
  private let isStill: Bool

  init(seed: UInt64, isStill: Bool = false) {
    state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678
    self.isStill = isStill
  }

  mutating func next() -> UInt64 {
    if isStill { return .max }
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_f491_4f6c_dd1d
  }
}
