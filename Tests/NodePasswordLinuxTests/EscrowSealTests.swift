import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct EscrowSealTests {
  private let scratch: EscrowScratch

  init() throws { scratch = try EscrowScratch() }

  private var file: String { scratch.root.read(EscrowScratch.escrowFile) ?? "" }

  private func equal(_ observed: Observed<SecretBytes>, _ bytes: SecretBytes) -> Bool {
    observed.value?.isEqual(to: bytes) ?? false
  }

  // MARK: Sealed and opened

  @Test(arguments: [Policy.Seal.tpm2, .host])
  func whatWasSealedIsReadAgain(_ seal: Policy.Seal) throws {
    #expect(try scratch.save(scratch.bytes, preferring: [seal, .plain]) == seal)
    let header = file.prefix { $0 != "\n" }
    #expect(header.hasPrefix("nodepassd-escrow-sealed 1 \(seal.rawValue) \(EscrowScratch.hardware) edge-1 "))
    #expect(!file.contains(EscrowScratch.passwordInHex) && !file.contains(EscrowScratch.password))
    #expect(equal(try scratch.store().look(), scratch.bytes))
    var status = stat()
    #expect(stat(scratch.root.paths.escrow, &status) == 0 && status.st_mode & 0o777 == 0o600)
    let description = try #require(scratch.store().describe().value)
    #expect(description.seal == seal && description.machine == EscrowScratch.hardware)
    #expect(description.node == NodeName("edge-1"))
  }

  @Test func aPlainEscrowIsWhatItAlwaysWas() throws {
    #expect(try scratch.save(scratch.bytes, preferring: [.plain, .tpm2]) == .plain)
    #expect(file == scratch.bytes.withBytes { String(decoding: $0, as: UTF8.self) })
    #expect(scratch.store().describe().value?.seal == .plain)
    #expect(scratch.runs == 0)
  }

  /// How long the agent is kept waiting at boot hangs on this.
  @Test(arguments: [
    ("nodepassd-escrow 1\nmachine dmi:1\n", Policy.Seal.plain), ("", .plain), ("nodepassd-escrow-sealed", .plain),
    ("nodepassd-escrow-sealed 1 moon\nbytes", nil), ("nodepassd-escrow-sealed ", nil),
  ])
  func theFirstLineTellsHowItIsSealed(_ text: String, _ seal: Policy.Seal?) throws {
    #expect(scratch.store().describe().isAbsent)
    try scratch.root.write(text, EscrowScratch.escrowFile)
    let description = scratch.store().describe()
    #expect(description.value?.seal == seal)
    #expect(seal != nil || description.obstacle?.kind == .malformed)
  }

  @Test func oneFileIsUnsealedOnce() throws {
    _ = try scratch.save(scratch.bytes)
    let store = scratch.store()
    let before = scratch.runs
    for _ in 0..<3 { #expect(equal(try store.look(), scratch.bytes)) }
    #expect(scratch.runs == before + 1)
    let next = try EscrowScratch.document(accepted: EscrowScratch.other).encode()
    #expect(try wait { store.save(next, $0) }.get() == .tpm2)
    let saved = scratch.runs
    #expect(equal(try store.look(), next), "what was saved is known without unsealing")
    #expect(scratch.runs == saved)
    _ = try scratch.save(scratch.bytes)
    #expect(equal(try store.look(), scratch.bytes), "another's file is not taken for the one before")
    #expect(try wait { store.save(next, $0) }.get() == .tpm2)
    try scratch.root.remove(EscrowScratch.escrowFile)
    #expect(try store.look().isAbsent)
  }

  @Test func aSealedOneIsSetAsideLikeAnyOther() throws {
    _ = try scratch.save(scratch.bytes)
    let sealed = file
    #expect(try wait { scratch.store().save(scratch.bytes, settingAside: true, $0) }.obstacleKind == nil)
    #expect(scratch.root.read(EscrowScratch.escrowFile + ".damaged-1") == sealed, "not erased")
    #expect(scratch.store().damagedCopies.value == ["escrow.damaged-1"])
  }

  /// A seal that cannot be made leaves what is there where it is (law L6): the key may come back.
  @Test func whatCannotBeReplacedIsNotSetAside() throws {
    _ = try scratch.save(scratch.bytes)
    let sealed = file
    try scratch.script("exit 1")
    let answer = try wait { scratch.store(preferring: [.tpm2]).save(scratch.bytes, settingAside: true, $0) }
    #expect(answer.obstacleKind != nil)
    #expect(file == sealed && scratch.store().damagedCopies.value == [])
  }

  // MARK: Preference

  @Test(arguments: [
    ([Policy.Seal.tpm2, .host, .plain], Policy.Seal.host, 1), ([.tpm2, .plain, .host], .plain, 1), ([.host], .host, 0),
    ([.plain], .plain, 0), ([.host, .tpm2], .host, 0),
  ])
  func whatCannotBeDoneFallsToTheNext(_ seals: [Policy.Seal], _ made: Policy.Seal, _ refused: Int) throws {
    try scratch.script(
      """
      case "$*" in
      *tpm2*) echo "TPM2 support not installed: Operation not supported" >&2; exit 1 ;;
      *encrypt*) base64 ;;
      *decrypt*) base64 -d ;;
      esac
      """)
    let store = scratch.store(preferring: seals)
    #expect(try wait { store.save(scratch.bytes, $0) }.get() == made)
    #expect(store.refusals.map(\.seal) == Array(repeating: .tpm2, count: refused))
    #expect(store.refusals.allSatisfy { "\($0.obstacle)".contains("TPM2 support not installed") })
    #expect(equal(try scratch.store().look(), scratch.bytes))
  }

  @Test func whereNothingCanBeDoneTheEscrowStays() throws {
    _ = try scratch.save(scratch.bytes)
    let before = file
    try scratch.script("echo no such key >&2; exit 1")
    for seals in [[Policy.Seal.tpm2], [.tpm2, .host], []] {
      let store = scratch.store(preferring: seals)
      let next = try EscrowScratch.document(accepted: EscrowScratch.other).encode()
      #expect(try wait { store.save(next, $0) }.obstacleKind == (seals.isEmpty ? .notConfigured : .inputOutput))
      #expect(file == before && scratch.root.names("/var/lib/nodepassd") == ["escrow"])
    }
  }

  /// A disk that is full says nothing about the TPM: no weaker seal is the answer.
  @Test func whatCannotBeWrittenIsNoFallback() throws {
    try scratch.root.make(EscrowScratch.escrowFile)
    try scratch.root.write("x", EscrowScratch.escrowFile + "/x")
    let store = scratch.store(preferring: [.tpm2, .plain])
    #expect(try wait { store.save(scratch.bytes, $0) }.obstacleKind != nil)
    #expect(store.refusals.isEmpty)
  }

  // MARK: Another's, damaged, locked

  @Test func anothersIsToldWithoutUnsealing() throws {
    _ = try scratch.save(scratch.bytes)
    let runs = scratch.runs
    try scratch.root.write("99999999-2222-3333-4444-555555555555\n", "/sys/class/dmi/id/product_uuid")
    let obstacle = try #require(try scratch.store().look().obstacle)
    #expect(obstacle.kind == .foreign && obstacle.detail.contains(EscrowScratch.hardware))
    #expect(scratch.runs == runs)
    // Unknown is not another.
    try scratch.root.remove("/sys/class/dmi/id/product_uuid")
    try scratch.root.remove("/etc/machine-id")
    #expect(equal(try scratch.store().look(), scratch.bytes))
  }

  @Test func whatCannotBeUnsealedNowIsTriedAgainLater() throws {
    _ = try scratch.save(scratch.bytes)
    try scratch.script("printf 'TPM is \\033[1mlocked\\tout\\nsecond line\\n' >&2; exit 1")
    let patient = scratch.store()
    let runs = scratch.runs
    for _ in 0..<3 {
      let obstacle = try #require(try patient.look().obstacle)
      #expect(obstacle.kind == .sealed && obstacle.place == scratch.root.paths.escrow)
      #expect(obstacle.detail.hasSuffix("exit status 1: TPM is  [1mlocked out"), "\(obstacle.detail)")
    }
    #expect(scratch.runs == runs + 1, "not once a look")
    let eager = scratch.store(pause: .zero)
    #expect(try eager.look().obstacle?.kind == .sealed)
    try scratch.sealWell()
    #expect(equal(try eager.look(), scratch.bytes))
    #expect(try patient.look().obstacle?.kind == .sealed, "its pause is not over")
  }

  /// systemd-creds deletes the host key when it meets it under another machine-id.
  @Test func theHostKeyIsNotPutInDanger() throws {
    _ = try scratch.save(scratch.bytes, preferring: [.host])
    let runs = scratch.runs
    for id in ["00000000000000000000000000000001\n", "", nil] as [String?] {
      if let id { try scratch.root.write(id, "/etc/machine-id") } else { try scratch.root.remove("/etc/machine-id") }
      #expect(try scratch.store().look().obstacle?.kind == .sealed)
    }
    #expect(scratch.runs == runs)
    _ = try scratch.save(scratch.bytes, preferring: [.tpm2])
    try scratch.root.write("00000000000000000000000000000002\n", "/etc/machine-id")
    #expect(equal(try scratch.store().look(), scratch.bytes), "a TPM does not care")
  }

  /// Whatever one byte becomes, and wherever the file is cut, nothing else than damage comes of it.
  @Test func everyDamageIsFound() throws {
    _ = try scratch.save(scratch.bytes)
    let whole = try Data(contentsOf: URL(filePath: scratch.root.paths.escrow))
    let store = scratch.store()
    let runs = scratch.runs
    func check(_ damaged: Data, _ what: String) throws {
      try damaged.write(to: URL(filePath: scratch.root.paths.escrow))
      switch try store.look() {
      case .absent: Issue.record("\(what): absent")
      case .unknown(let obstacle): #expect(obstacle.kind == .malformed, "\(what): \(obstacle)")
      case .present(let bytes):
        guard case .success = EscrowDocument.decode(bytes) else { return }
        Issue.record("\(what): accepted")
      }
    }
    for index in whole.indices {
      var damaged = whole
      damaged[index] ^= 1
      try check(damaged, "byte \(index)")
    }
    for count in 0..<whole.count { try check(whole.prefix(count), "cut at \(count)") }
    try check(whole + Data("x".utf8), "longer")
    try check(Data("nodepassd-escrow-sealed 2 tpm2 - - - 0\n".utf8), "another version")
    #expect(scratch.runs == runs)
    try whole.write(to: URL(filePath: scratch.root.paths.escrow))
    #expect(equal(try store.look(), scratch.bytes))
  }

  // MARK: Order

  /// A slow TPM holds up neither the password file nor the order of calls.
  @Test func sealingHoldsUpNothingElse() throws {
    let gate = scratch.root.path + "/gate"
    #expect(mkfifo(gate, 0o600) == 0)
    try scratch.script(
      """
      case "$*" in
      *encrypt*) read -r _ <"\(gate)"; base64 ;;
      *decrypt*) base64 -d ;;
      esac
      """)
    let store = scratch.store()
    let saved = Slot<Result<Policy.Seal, Obstacle>>()
    let loaded = Slot<Result<Observed<SecretBytes>, Obstacle>>()
    store.save(scratch.bytes) { saved.fill($0) }
    store.load { loaded.fill($0) }
    let files = LinuxPasswordFiles(paths: scratch.root.paths, entropy: CountingEntropy())
    for _ in 0..<3 { #expect(try wait { files.read(.node, $0) }.get().value?.password != nil) }
    #expect(!Paths.exists(scratch.root.paths.escrow), "it is not sealed yet")
    try Data("go\n".utf8).write(to: URL(filePath: gate))
    #expect(try saved.value().get() == .tpm2)
    #expect(equal(try loaded.value().get(), scratch.bytes), "asked after the save, so it sees what was saved")
  }
}
