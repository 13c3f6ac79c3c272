import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Derive: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Derive a node's password from the fleet key, for its provisioner.",
    discussion: """
      Prints the password to a pipe or a file, never to a terminal; --out makes a file of mode 0600. Without --fleet-key \
      the key is the systemd credential `fleet-key`.

      HKDF-SHA256 over the key's bytes without one newline at the end; no salt; info is "nodepassd node-password 1", the \
      node's name in lower case and the generation in decimal, with a NUL between each; 16 bytes in lower-case hex.

      Make a key once: (umask 077; openssl rand -hex 32 >fleet-key). It belongs on no agent.
      """)

  private static let purpose = "derive the password"

  @Argument(help: "The node's name, as Kubernetes knows it; capitals count as small letters.")
  var node: String
  @Option(help: "To be counted up when this node is to get another password; from 1.")
  var generation = DerivedPassword.firstGeneration
  @Option(help: ArgumentHelp("The file with the fleet key, mode 0600.", valueName: "file"))
  var fleetKey: String?
  @Option(help: ArgumentHelp("Write to this file instead, mode 0600.", valueName: "file"))
  var out: String?
  @Flag(help: "Replace the file of --out where there is one.")
  var force = false

  func validate() throws {
    guard NodeName(node) != nil else {
      throw ValidationError("“\(node)” is no node name: letters, digits, '-' and '.', at most 253 of them")
    }
    let generations = DerivedPassword.generations
    guard generations.contains(generation) else {
      throw ValidationError("a generation is \(generations.lowerBound) to \(generations.upperBound)")
    }
    guard out != nil || !force else { throw ValidationError("--force is about --out") }
  }

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    guard out != nil || isatty(STDOUT_FILENO) == 0 else {
      Console.complain(
        "Failed to \(Self.purpose): a password is not printed to a terminal; send it on by a pipe, or use --out FILE")
      throw ExitCode(EX_USAGE)
    }
    guard let name = NodeName(node), let rule = DerivedPassword(node: name, generation: generation) else {
      throw ExitCode(EX_USAGE)
    }
    let line = try key().password(for: rule).line
    guard let out else { return try print(line) }
    switch PrivateFile.write(line, to: out, replacing: force, entropy: KernelEntropy()) {
    case .success: return
    case .failure(let obstacle) where obstacle.kind == .conflict:
      Console.complain("Failed to \(Self.purpose): \(obstacle); --force replaces it")
      throw ExitCode(EXIT_FAILURE)
    case .failure(let obstacle): throw Failure.exit(Self.purpose, obstacle)
    }
  }

  private func key() throws -> FleetKey {
    if let fleetKey {
      switch FleetKey.read(fleetKey) {
      case .success(let key): return key
      case .failure(let obstacle): throw Failure.exit(Self.purpose, obstacle)
      }
    }
    switch FleetKey.read(CredentialDirectory()) {
    case .present(let key): return key
    case .unknown(let obstacle): throw Failure.exit(Self.purpose, obstacle)
    case .absent:
      Console.complain(
        """
        Failed to \(Self.purpose): no fleet key; give --fleet-key FILE, or run this with the systemd credential \
        \(CredentialDirectory.fleetKeyName) (LoadCredential=)
        """)
      throw ExitCode(EX_USAGE)
    }
  }

  /// Unbuffered, and as bytes: no String ever holds it.
  private func print(_ line: SecretBytes) throws {
    let code = line.withBytes { bytes -> Int32 in
      var rest = bytes[...]
      while !rest.isEmpty {
        let part = UnsafeRawBufferPointer(rebasing: rest)
        let count = write(STDOUT_FILENO, part.baseAddress, part.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return count == 0 ? EIO : errno }
        rest = rest.dropFirst(count)
      }
      return 0
    }
    if code != 0 { throw Failure.exit(Self.purpose, .system(code, at: "standard output")) }
  }
}
