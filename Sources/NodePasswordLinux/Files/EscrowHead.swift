import Glibc

/// What the escrow's file is by its first bytes, without opening what is in it: how long the agent may be kept waiting
/// for it hangs on that.
package enum EscrowHead: Hashable, Sendable {
  /// Whatever can be read at once: a plain escrow, a damaged one, none.
  case plain
  /// It takes a key of this machine's, perhaps its TPM, to read it.
  case sealed

  private static let sealedBeginning = Array("nodepassd-escrow-sealed ".utf8)

  package static func read(_ paths: Paths) -> EscrowHead {
    guard case .success(let file) = Descriptor.open(paths.escrow, O_RDONLY), case .success(let status) = file.status(),
      FileKind(status) == .regular, case .success(let bytes) = file.read(limit: sealedBeginning.count - 1)
    else { return .plain }
    return bytes == sealedBeginning ? .sealed : .plain
  }
}
