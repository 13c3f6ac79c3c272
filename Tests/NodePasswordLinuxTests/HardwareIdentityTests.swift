import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// Which machine is the same machine (design 7).
@Suite struct HardwareIdentityTests {
  private static let dmi = "/sys/class/dmi/id/product_uuid"
  private static let board = "4C4C4544-0042-3510-8052-B4C04F4E3232"
  private static let firstID = "0123456789abcdef0123456789abcdef"
  private static let secondID = "fedcba9876543210fedcba9876543210"

  private struct Hardware: Sendable {
    var uuid: String?
    var serial: String?
    var machineID: String?
  }

  private func hardware(_ hardware: Hardware) throws -> Observed<String> {
    let root = try ScratchRoot()
    try root.make("/var/lib/rancher/k3s/agent")
    if let uuid = hardware.uuid { try root.write(Self.dmi, "\(uuid)\n") }
    if let serial = hardware.serial { try root.write("/sys/firmware/devicetree/base/serial-number", "\(serial)\u{0}") }
    if let machineID = hardware.machineID { try root.write("/etc/machine-id", "\(machineID)\n") }
    return try #require(lookForInstallation(root).value).identity.hardware
  }

  private static let pairs: [(what: String, one: Hardware, other: Hardware, isSame: Bool)] = [
    (
      "an ephemeral /etc on one board", Hardware(uuid: board, machineID: firstID),
      Hardware(uuid: board, machineID: secondID), true
    ),
    ("a machine-id that comes later", Hardware(uuid: board), Hardware(uuid: board, machineID: firstID), true),
    (
      "a clone in another virtual machine", Hardware(uuid: board, machineID: firstID),
      Hardware(uuid: "422813f5-d420-7161-5db0-7b96440ccf54", machineID: firstID), false
    ),
    (
      "an ephemeral /etc on one single-board computer", Hardware(serial: "10000000abcdef01", machineID: firstID),
      Hardware(serial: "10000000abcdef01", machineID: secondID), true
    ),
    (
      "a card moved to another single-board computer", Hardware(serial: "10000000abcdef01", machineID: firstID),
      Hardware(serial: "10000000abcdef02", machineID: firstID), false
    ),
    ("nothing but a machine-id", Hardware(machineID: firstID), Hardware(machineID: firstID), true),
    ("nothing but another machine-id", Hardware(machineID: firstID), Hardware(machineID: secondID), false),
    (
      "boards with one dummy", Hardware(uuid: "03000200-0400-0500-0006-000700080009", machineID: firstID),
      Hardware(uuid: "03000200-0400-0500-0006-000700080009", machineID: secondID), false
    ),
    ("upper and lower case", Hardware(uuid: board), Hardware(uuid: board.lowercased()), true),
    // charm-kubernetes-control-plane#102: the same machine on vSphere hardware before 13 and after.
    (
      "a virtual machine's new hardware version", Hardware(uuid: "422813F5-D420-7161-5DB0-7B96440CCF54"),
      Hardware(uuid: "F5132842-20D4-6171-5DB0-7B96440CCF54"), true
    ),
    (
      "a new firmware that claims SMBIOS 2.6", Hardware(uuid: board),
      Hardware(uuid: "44454C4C-4200-1035-8052-B4C04F4E3232"), true
    ),
    (
      "only some of the bytes turned", Hardware(uuid: board), Hardware(uuid: "44454C4C-0042-3510-8052-B4C04F4E3232"),
      false
    ),
    ("the other half turned", Hardware(uuid: board), Hardware(uuid: "4C4C4544-0042-3510-5280-B4C04F4E3232"), false),
  ]

  @Test(arguments: pairs.indices) func isTheSame(_ index: Int) throws {
    let row = Self.pairs[index]
    let (one, other) = (try hardware(row.one), try hardware(row.other))
    #expect(one.value != nil && other.value != nil, "\(row.what)")
    #expect((one == other) == row.isSame, "\(row.what): \(one), \(other)")
    #expect(try isOurs(one, other) == row.isSame, "\(row.what): its escrow")
  }

  /// Whether an escrow made on the one is this machine's own on the other.
  private func isOurs(_ one: Observed<String>, _ other: Observed<String>) throws -> Bool {
    let identity = { MachineIdentity(hardware: $0, machineID: "", bootID: "", addresses: []) }
    let name = try #require(NodeName("host"))
    let escrow = try #require(EscrowDocument(machine: identity(one), node: name))
    return escrow.facts(for: identity(other), node: name).owner == .thisMachine
  }

  /// Ours is the order that people know where the maker's letters come first.
  @Test func theFamiliarOrderIsWritten() {
    #expect(HardwareIdentity.named(dmi: Self.board) == "dmi:\(Self.board.lowercased())")
    #expect(HardwareIdentity.named(dmi: "44454C4C-4200-1035-8052-B4C04F4E3232") == "dmi:\(Self.board.lowercased())")
  }

  @Test(arguments: [
    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
    "03020100-0504-0706-0809-0A0B0C0D0E0F", "00010203-0405-0607-0809-0A0B0C0D0E0F",
    "00112233-4455-6677-8899-AABBCCDDEEFF", "33221100-5544-7766-8899-AABBCCDDEEFF",
    "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE", "58585858-5858-5858-5858-585858585858",
    "56F49712-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "4C4C4544-0000-2010-8020-80C04F202020",
    "+1234567-89ab-cdef-0123-456789abcdef", "422813f5-d420-7161-5db0-7b96440ccf5",
    "422813f5-d420-7161-5db0-7b96440ccf544", "To Be Filled By O.E.M.",
  ]) func nobodysUUID(_ text: String) throws {
    #expect(HardwareIdentity.named(dmi: text) == nil)
    #expect(try hardware(Hardware(uuid: text, machineID: Self.firstID)) == .present("machine-id:\(Self.firstID)"))
  }

  @Test(arguments: ["00000000-0000-0000-0000-AC1F6B012345", "FFFFFFFF-FFFF-FFFF-FFFF-AC1F6B012345"])
  func aNumberOfItsOwnBehindAFiller(_ text: String) {
    #expect(HardwareIdentity.named(dmi: text) == "dmi:\(text.lowercased())")
  }

  /// `product_uuid` is root's alone. Nothing weaker takes its place: an escrow bound to a machine-id could be a clone's.
  @Test func whoMayNotReadTheBoardKnowsNoMachine() throws {
    let root = try ScratchRoot()
    try root.make("/var/lib/rancher/k3s/agent")
    try root.write("/etc/machine-id", Self.firstID + "\n")
    try root.write(Self.dmi, Self.board + "\n")
    #expect(chmod(root.path + Self.dmi, geteuid() == 0 ? 0o400 : 0) == 0)
    let hardware = try asNobody { lookForInstallation(root).value?.identity.hardware }
    #expect(hardware?.obstacle?.kind == .permissionDenied, "\(String(describing: hardware))")
    let identity = MachineIdentity(hardware: try #require(hardware), machineID: "", bootID: "", addresses: [])
    #expect(EscrowDocument(machine: identity, node: try #require(NodeName("a"))) == nil)
  }

  /// On this thread alone, files are looked at with a nobody's rights (setfsuid(2)).
  private func asNobody<Value>(_ look: () -> Value) throws -> Value {
    guard geteuid() == 0 else { return look() }
    let symbol = try #require(dlsym(nil, "setfsuid"))
    let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> Int32).self)
    _ = setfsuid(65_534)
    defer { _ = setfsuid(0) }
    return look()
  }
}
