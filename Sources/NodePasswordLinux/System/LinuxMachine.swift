import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// This machine, by its files.
package final class LinuxMachine: Machine {
  private struct ReadCertificate {
    var identity: FileIdentity
    var name: Observed<NodeName>
  }

  /// Bytes of a file with a certificate, its issuer's, and in old versions a key.
  private static let certificateLimit = 64 * 1024

  private let queue = DispatchQueue(label: "nodepassd.machine", target: FileQueue.shared)
  private let root: String
  private let home: String?
  private let hostname: @Sendable () -> Observed<String>
  private let lastCertificate = Mutex<ReadCertificate?>(nil)
  private let digests = Mutex<[String: DigestedCertificate]>([:])

  /// - Parameters:
  ///   - paths: where everything that is read lies. Paths in answers are without its root.
  ///   - home: whose `.rancher` a rootless K3s uses where its unit does not set `HOME`.
  ///   - hostname: the host's name.
  package init(
    paths: Paths, home: String? = getenv("HOME").map { String(cString: $0) },
    hostname: @escaping @Sendable () -> Observed<String> = LinuxMachine.hostname
  ) {
    root = paths.absolute("")
    self.home = home
    self.hostname = hostname
  }

  package func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    queue.async { @Sendable [self] in completion(.success(lookForInstallation())) }
  }

  package func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) {
    queue.async { @Sendable [self] in completion(.success(lookForCertificates(of: installation))) }
  }

  /// `installation`, at once and on the caller's thread.
  package func lookForInstallation() -> Observed<Installation> { finder.find() }

  private var finder: InstallationFinder {
    InstallationFinder(
      root: root, hostname: hostname(), home: home, identity: readIdentity, certificateName: readCertificateName)
  }

  private func lookForCertificates(of installation: Installation) -> Observed<CertificatePair> {
    do throws(Obstacle) {
      let directory = "\(root)\(installation.dataDirectory)/agent"
      guard let serving = try certificate("\(directory)/serving-kubelet.crt"),
        let client = try certificate("\(directory)/client-kubelet.crt")
      else { return .absent }
      return .present(
        CertificatePair(
          serving: serving.digest, client: client.digest,
          oldestModification: min(serving.modification, client.modification)))
    } catch {
      return .unknown(error)
    }
  }

  private struct DigestedCertificate {
    var identity: FileIdentity
    var digest: ContentDigest
  }

  /// Read anew only where the file is another.
  private func certificate(_ path: String) throws(Obstacle) -> (digest: ContentDigest, modification: Int64)? {
    guard let facts = try FactFile.facts(path).found() else { return nil }
    guard facts.st_mode & S_IFMT == S_IFREG else { throw Obstacle(.malformed, at: path, "is not a regular file") }
    let modification = facts.st_mtim.saturatedNanoseconds
    let identity = FileIdentity(facts)
    if let last = digests.withLock({ $0[path] }), last.identity == identity { return (last.digest, modification) }
    guard let bytes = try FactFile.read(path, limit: Self.certificateLimit).found() else { return nil }
    // K3s writes in place: nothing yet is no certificate.
    guard !bytes.isEmpty else { throw Obstacle(.malformed, at: path, "it is empty") }
    let digest = ContentDigest(FNV1a.digest(bytes))
    digests.withLock { digests in
      // Two files, or those of another data directory.
      if digests.count >= 4 { digests = [:] }
      digests[path] = DigestedCertificate(identity: identity, digest: digest)
    }
    return (digest, modification)
  }

  /// Parsed anew only where the file is another.
  private func readCertificateName(_ path: String) -> Observed<NodeName> {
    let path = root + path
    let identity: FileIdentity
    switch FactFile.facts(path) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let facts): identity = FileIdentity(facts)
    }
    if let last = lastCertificate.withLock({ $0 }), last.identity == identity { return last.name }
    switch FactFile.read(path, limit: Self.certificateLimit) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let bytes):
      let name: Observed<NodeName> =
        CertificateNames.nodeName(inPEM: String(decoding: bytes, as: UTF8.self)).map { .present($0) }
        ?? .unknown(Obstacle(.malformed, at: path, "it holds no certificate of a node"))
      lastCertificate.withLock { $0 = ReadCertificate(identity: identity, name: name) }
      return name
    }
  }

  private func readIdentity() -> MachineIdentity {
    let bootPath = "/proc/sys/kernel/random/boot_id"
    let machineID = FactFile.line(root + "/etc/machine-id").value ?? ""
    return MachineIdentity(
      hardware: HardwareIdentity.read(root: root),
      machineID: HardwareIdentity.isMachineID(machineID) ? machineID : "",
      bootID: (root.isEmpty ? BootIdentity.dashed : nil) ?? FactFile.line(root + bootPath).value
        ?? FactFile.line(bootPath).value ?? "",
      addresses: InterfaceAddresses.read())
  }

  /// gethostname(2), as the agent itself asks for it (k3s-facts 1.3).
  package static let hostname: @Sendable () -> Observed<String> = {
    let limit = Int(HOST_NAME_MAX) + 1
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: limit) { buffer in
      guard let start = buffer.baseAddress, gethostname(start, limit) == 0 else {
        return .unknown(.system(errno, at: "gethostname"))
      }
      buffer[limit - 1] = 0
      return .present(String(cString: start))
    }
  }
}
