import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `systemd-creds`(1), which seals the escrow to this machine's host key or TPM2. Blocks its caller for as long as the
/// key takes, a second or more with a TPM.
///
/// Secrets go through its standard input and output only: never a command line, an environment or a file.
package final class CredentialTool: Sendable {
  /// What a sealed escrow is called inside; another credential of this machine is not taken for one.
  static let credentialName = "nodepassd-escrow"
  /// A TPM may be slow and busy; one that takes longer than this is taken for broken.
  package static let deadline = Duration.seconds(10)
  /// Where a machine keeps its key or has its TPM elsewhere, systemd's own variables say so; they hold paths.
  private static let passedOn = ["SYSTEMD_CREDENTIAL_SECRET", "SYSTEMD_TPM2_DEVICE"]

  private let tool: Tool?
  private let deadline: Duration

  /// - Parameter path: the program; `nil` where this machine has none (systemd before 250, or no systemd).
  package init(path: String? = CredentialTool.find(), deadline: Duration = CredentialTool.deadline) {
    let environment = Self.passedOn.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
    tool = path.map { Tool(path: $0, environment: environment) }
    self.deadline = deadline
  }

  package static func find() -> String? { Tool.find("systemd-creds") }

  /// Base64 with line breaks, which this machine can unseal again: that is tried before it is answered, since there are
  /// keys that seal and do not unseal (systemd 252 without PCRs, for one), and nobody would know until it was too late.
  func seal(_ bytes: SecretBytes, by seal: Policy.Seal) -> Result<[UInt8], Obstacle> {
    bytes.withBytes { run(["--with-key=\(seal.rawValue)", "encrypt"], $0, outputLimit: SealedEscrow.sizeLimit / 2) }
      .flatMap { answer in
        let sealed = answer.withBytes { Array($0) }
        guard SealedEscrow.isBase64(sealed) else { return .failure(obstacle("what it answered is no base64")) }
        return unseal(sealed).flatMap {
          $0.isEqual(to: bytes) ? .success(sealed) : .failure(obstacle("what it seals it does not unseal again"))
        }
      }
  }

  func unseal(_ sealed: [UInt8]) -> Result<SecretBytes, Obstacle> {
    sealed.withUnsafeBytes { run(["decrypt"], $0, outputLimit: EscrowDocument.sizeLimit) }
  }

  private func run(_ words: [String], _ input: UnsafeRawBufferPointer, outputLimit: Int) -> Result<
    SecretBytes, Obstacle
  > {
    guard let tool else {
      return .failure(Obstacle(.notConfigured, at: "systemd-creds", "it is not installed here (systemd 250 or later)"))
    }
    let arguments = ["--name=\(Self.credentialName)", "--no-pager"] + words + ["-", "-"]
    return tool.run(arguments, input: input, outputLimit: outputLimit, within: deadline)
      .flatMap { $0.status == 0 ? .success($0.bytes) : .failure(obstacle($0.failure)) }
  }

  private func obstacle(_ detail: String) -> Obstacle { Obstacle(.inputOutput, at: tool?.path ?? "", detail) }
}
