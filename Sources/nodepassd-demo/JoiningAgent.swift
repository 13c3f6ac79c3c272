import Dispatch
import Glibc
import NodePasswordCore
import Synchronization

/// A K3s agent as far as joining goes, on real files and over real HTTPS: it mints a password where there is none, reads
/// the file anew for every request, and retries each 5 to 10 seconds while it is refused (k3s-facts 1.1 to 1.6).
/// What comes after a join (containerd, kubelet) is a Node and a heartbeat here.
final class JoiningAgent: Sendable {
  enum State: Hashable, Sendable {
    case stopped
    case looping(attempts: Int, lastStatus: Int)
    case joined(attempts: Int)
  }

  private struct Shared {
    var state = State.stopped
    /// Another number for each start, so that the loop of an earlier one ends.
    var run = 0
  }

  let files: AgentFiles
  private let client: SupervisorClient
  private let token: String
  private let name: NodeName
  private let address: String
  private let register: @Sendable () -> Void
  private let shared = Mutex(Shared())
  private let queue = DispatchQueue(label: "agent")

  /// - Parameter register: what the kubelet does once the agent has joined.
  init(
    files: AgentFiles, client: SupervisorClient, token: String, name: NodeName, address: String,
    register: @escaping @Sendable () -> Void
  ) {
    self.files = files
    self.client = client
    self.token = token
    self.name = name
    self.address = address
    self.register = register
  }

  var state: State { shared.withLock { $0.state } }

  func stop() {
    shared.withLock { shared in
      shared.run += 1
      shared.state = .stopped
    }
  }

  /// What `systemctl restart k3s-agent` does.
  func restart() {
    let run = shared.withLock { shared in
      shared.run += 1
      shared.state = .looping(attempts: 0, lastStatus: 0)
      return shared.run
    }
    queue.async { @Sendable in self.attempt(run, number: 1) }
  }

  private func attempt(_ run: Int, number: Int) {
    guard shared.withLock({ $0.run == run }) else { return }
    let status = join()
    let isCurrent = shared.withLock { shared in
      guard shared.run == run else { return false }
      shared.state =
        status == 200 ? .joined(attempts: number) : .looping(attempts: number, lastStatus: status)
      return true
    }
    guard isCurrent else { return }
    if status == 200 { return register() }
    // 5 s, jittered up to twice that, counted from the end of the attempt (k3s-facts 1.5).
    let pause = DispatchTimeInterval.milliseconds(Int.random(in: 5_000..<10_000))
    queue.asyncAfter(deadline: .now() + pause) { @Sendable in self.attempt(run, number: number + 1) }
  }

  /// The requests of one attempt, in K3s's order; the status of the first that is refused. 0: no answer at all.
  private func join() -> Int {
    do {
      try files.takeOverStrayFile()
      guard try client.request(.GET, "/cacerts").status == 200 else { return 0 }
      let config = try client.request(.GET, "/v1-k3s/config", headers: authorization)
      guard config.status == 200 else { return config.status }
      let serving = try certificate("serving-kubelet.crt")
      guard serving.status == 200 else { return serving.status }
      try files.writeCertificate(serving.body, named: "serving-kubelet")
      let client = try certificate("client-kubelet.crt")
      guard client.status == 200 else { return client.status }
      try files.writeCertificate(client.body, named: "client-kubelet")
      return 200
    } catch {
      return 0
    }
  }

  private func certificate(_ file: String) throws -> SupervisorClient.Answer {
    try register(password: try files.ensurePassword(), file)
  }

  /// One request for a kubelet certificate under this node's name.
  func register(password: String, _ file: String = "serving-kubelet.crt") throws -> SupervisorClient.Answer {
    try client.request(
      .GET, "/v1-k3s/\(file)",
      headers: authorization + [
        (Distribution.k3s.header("Name"), name.rawValue), (Distribution.k3s.header("Password"), password),
        (Distribution.k3s.header("IP"), address),
      ])
  }

  private var authorization: [(String, String)] { [("Authorization", "Basic " + Base64.encode("node:\(token)"))] }
}

/// The agent's files, written as K3s writes them: in place, without a temporary file, without fsync (k3s-facts 1.1).
struct AgentFiles: Sendable {
  let root: String
  var nodeDirectory: String { root + "/etc/rancher/node" }
  var passwordFile: String { nodeDirectory + "/password" }
  var agentDirectory: String { root + "/var/lib/rancher/k3s/agent" }
  var strayFile: String { agentDirectory + "/node-password.txt" }

  /// A new password, as K3s makes them: 16 random bytes in hex (k3s-facts 1.1).
  static func mint() -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<32).map { _ in digits[Int.random(in: 0..<16)] })
  }

  /// The password, minted where there is no file, trimmed and otherwise taken as it is.
  func ensurePassword() throws -> String {
    try DemoFiles.makeDirectories(nodeDirectory)
    if !DemoFiles.exists(passwordFile) {
      try DemoFiles.write(Self.mint() + "\n", to: passwordFile, mode: 0o600)
    }
    let text = try DemoFiles.read(passwordFile)
    let isBlank: (Character) -> Bool = { $0.isWhitespace }
    return String(String(text.drop(while: isBlank).reversed()).drop(while: isBlank).reversed())
  }

  /// K3s puts a `node-password.txt` from before v1.0 over the password at every attempt (k3s-facts 1.2).
  func takeOverStrayFile() throws {
    guard DemoFiles.exists(strayFile) else { return }
    try DemoFiles.makeDirectories(nodeDirectory)
    try DemoFiles.write(try DemoFiles.read(strayFile), to: passwordFile, mode: 0o600)
    unlink(strayFile)
  }

  func writeCertificate(_ pem: String, named name: String) throws {
    try DemoFiles.makeDirectories(agentDirectory)
    let key = pem.start(ofFirst: "-----BEGIN EC PRIVATE KEY-----")
    let certificates = key.map { String(pem[..<$0]) } ?? pem
    try DemoFiles.write(certificates, to: agentDirectory + "/\(name).crt", mode: 0o600)
    if let key { try DemoFiles.write(String(pem[key...]), to: agentDirectory + "/\(name).key", mode: 0o600) }
  }
}

extension String {
  fileprivate func start(ofFirst needle: String) -> Index? { indices.first { self[$0...].hasPrefix(needle) } }
}
