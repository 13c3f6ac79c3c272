import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// What only a checkup looks at; by files and the kernel's own word, with nothing changed.
package struct MachineCheckup {
  private static let certificateLimit = 256 * 1024
  private let root: String

  package init(paths: Paths) { root = paths.absolute("") }

  // MARK: Certificates

  /// The agent's and the server's, there or not (k3s-facts 1.6, 3.2).
  package func certificates(of installation: Installation) -> [CheckupFacts.Certificate] {
    let data = installation.dataDirectory
    var names: [(name: String, isAuthority: Bool)] = []
    if installation.hasAgentRole {
      names += ["client-kubelet", "serving-kubelet"].map { ("agent/\($0).crt", false) }
      names += ["server-ca", "client-ca"].map { ("agent/\($0).crt", true) }
    }
    if installation.hasServerRole { names += ["server-ca", "client-ca"].map { ("server/tls/\($0).crt", true) } }
    return names.map { name, isAuthority in
      let path = "\(root)\(data)/\(name)"
      return CheckupFacts.Certificate(path: path, end: Self.end(of: path, isAuthority), isAuthority: isAuthority)
    }
  }

  /// Of a node's certificate its own, of a CA the first of its chain that ends.
  private static func end(of path: String, _ isAuthority: Bool) -> Observed<WallTime> {
    switch FactFile.read(path, limit: certificateLimit) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let bytes):
      do throws(Obstacle) {
        let certificates = try AuthorityPin.certificates(in: bytes, at: path)
        let ends = (isAuthority ? certificates[...] : certificates.prefix(1)).compactMap(\.notAfter)
        // Later than any time that is counted with.
        return .present(ends.min() ?? WallTime(nanoseconds: .max))
      } catch {
        return .unknown(error)
      }
    }
  }

  // MARK: The program

  /// How long a program may take to say its version, which costs it nothing.
  private static let patience = Duration.seconds(10)

  /// What the program that the unit starts says of itself. Absent: no unit starts one, or it is not root's alone, and so not
  /// run by root; or the root is a made-up one.
  package func programVersion(of installation: Installation) -> Observed<String> {
    guard root.isEmpty, let unit = installation.unit else { return .absent }
    let product = installation.distribution
    do throws(Obstacle) {
      let units = ServiceUnits(root: root, hostname: "")
      guard let path = try units.program(of: unit, of: product), path.hasPrefix("/"),
        let facts = try FactFile.facts(path).found(), facts.st_uid == 0, facts.st_mode & 0o022 == 0
      else { return .absent }
      let output = try Tool(path: path).run(["--version"], outputLimit: 4096, within: Self.patience).get()
      let text = output.bytes.withBytes { String(decoding: $0, as: UTF8.self) }
      // `k3s version v1.34.2+k3s1 (1a2b3c4d)`
      let words = text.prefix { $0 != "\n" }.split(separator: " ")
      guard output.status == 0, words.count >= 3, words[..<2] == [Substring(product.rawValue), "version"] else {
        return .unknown(Obstacle(.malformed, at: path, "it does not say its version; \(output.failure)"))
      }
      return .present(String(words[2]))
    } catch {
      return .unknown(error)
    }
  }

  // MARK: The kernel

  package func watchLimits() -> Observed<CheckupFacts.WatchLimits> {
    do throws(Obstacle) {
      guard let watches = try limit("max_user_watches"), let instances = try limit("max_user_instances") else {
        return .absent
      }
      return .present(CheckupFacts.WatchLimits(watches: watches, instances: instances))
    } catch {
      return .unknown(error)
    }
  }

  private func limit(_ name: String) throws(Obstacle) -> Int? {
    let path = "/proc/sys/fs/inotify/\(name)"
    // A made-up root has no kernel of its own.
    var line = FactFile.line(root + path)
    if line.isAbsent { line = FactFile.line(path) }
    guard let text = try line.found() else { return nil }
    guard let number = Int(text) else { throw Obstacle(.malformed, at: path, "it is no number") }
    return number
  }

  package func isClockSynchronised() -> Observed<Bool> {
    let answer = nodepassd_clock_is_synchronised()
    return answer < 0 ? .unknown(.system(errno, at: "adjtimex")) : .present(answer == 1)
  }

  // MARK: Left-overs

  /// Each installer's script, and what it removes (k3s-facts 7).
  private static let uninstallers = [
    ("k3s-uninstall.sh", ["k3s"]), ("k3s-agent-uninstall.sh", ["k3s-agent"]),
    ("rke2-uninstall.sh", ["rke2-server", "rke2-agent"]),
  ]
  private static let programDirectories = ["/usr/local/bin", "/opt/bin", "/opt/rke2/bin", "/usr/bin"]

  /// Those whose unit is gone. What could not be looked for is taken to be there.
  package func orphanedUninstallers() -> [String] {
    Self.programDirectories.flatMap { directory in
      Self.uninstallers.compactMap { script, units in
        let path = "\(root)\(directory)/\(script)"
        guard case .present = FactFile.isThere(path), !units.contains(where: isStarted) else { return nil }
        return path
      }
    }
  }

  private func isStarted(_ unit: String) -> Bool {
    let units = ServiceUnits.directories.map { "\($0)/\(unit).service" } + ["/etc/init.d/\(unit)"]
    return units.contains { !FactFile.isThere(root + $0).isAbsent }
  }

  /// Of what is below `/etc/rancher` and the data directories.
  package func remains() -> [String] {
    let places =
      ["/etc/rancher/node"] + Distribution.allCases.flatMap { [$0.configurationDirectory, $0.defaultDataDirectory] }
    return places.map { root + $0 }.filter { FactFile.isThere($0).value != nil }
  }
}
