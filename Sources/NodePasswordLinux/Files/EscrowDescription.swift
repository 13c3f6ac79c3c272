import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// The escrow's file by what can be seen without unsealing it, for verbs.
package struct EscrowDescription: Hashable, Sendable {
  package var seal: Policy.Seal
  /// Whose it says it is, where it is sealed; not trusted for more than being shown.
  package var machine: String?
  package var node: NodeName?
  /// When it was last written.
  package var written: WallTime
}

extension FileEscrowStore {
  /// At once, on the caller's thread. `.malformed`: it is sealed, but its first line makes no sense.
  package func describe() -> Observed<EscrowDescription> {
    let file: Descriptor
    switch Descriptor.open(path, O_RDONLY) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .absent
    case .failure(let error): return .unknown(error.obstacle(at: path))
    }
    guard case .success(let status) = file.status(), FileKind(status) == .regular else {
      return .unknown(Obstacle(.malformed, at: path, "it is not a regular file"))
    }
    switch file.read(limit: SealedEscrow.headerLimit) {
    case .failure(let error): return .unknown(error.obstacle(at: path))
    case .success(var bytes):
      // A plain escrow starts with what it holds.
      defer { Wipe.bytes(&bytes) }
      let written = WallTime(nanoseconds: status.st_mtim.saturatedNanoseconds)
      guard SealedEscrow.isSealed(bytes) else { return .present(EscrowDescription(seal: .plain, written: written)) }
      guard let header = SealedEscrow.header(bytes.prefix { $0 != UInt8(ascii: "\n") }) else {
        return .unknown(Obstacle(.malformed, at: path, "it is sealed, and damaged or of another version"))
      }
      return .present(
        EscrowDescription(seal: header.seal, machine: header.machine, node: header.node, written: written))
    }
  }

  /// This machine as an escrow knows it: by its hardware alone.
  package var machine: MachineIdentity {
    MachineIdentity(hardware: HardwareIdentity.read(root: root), machineID: "", bootID: "", addresses: [])
  }

  /// Damaged escrows that were set aside, by name.
  package var damagedCopies: Observed<[String]> {
    let split = SplitPath(path)
    return FactFile.names(in: split.directory).map { names in names.filter { $0.hasPrefix("\(split.name).damaged-") } }
  }
}
