import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// Servers that misbehave, and kubeconfigs that are none.
@Suite struct ClusterEdgeTests {
  private static let patience: APIPatience = {
    var patience = APIPatience()
    patience.request = .seconds(2)
    patience.firstBackoff = .milliseconds(20)
    patience.longestBackoff = .milliseconds(200)
    return patience
  }()

  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  private func answer(_ kubeconfig: String) throws -> Observed<SecretReading> {
    try root.write(kubeconfig, "/kubeconfig")
    let path = root.path + "/kubeconfig"
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: Self.patience)
    defer { api.shutDown() }
    return try wait { api.secrets.get("edge-1.node-password.k3s", $0) }.observed()
  }

  @Test func aTokenWorksAsWellAsACertificate() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    #expect(try answer(standIn.kubeconfig(token: "a-token-of-the-administrator", as: .admin)).isAbsent)
    #expect(try answer(standIn.kubeconfig()).isAbsent)
  }

  @Test func anotherAuthorityIsNotTrusted() throws {
    let (real, other) = (try StandIn.start(), try StandIn.start())
    defer {
      real.stop()
      other.stop()
    }
    let kubeconfig = try other.kubeconfig().replacing(":\(other.port)", with: ":\(real.port)")
    #expect(try answer(kubeconfig).obstacle?.kind == .untrusted)
  }

  @Test func nobodyListens() throws {
    let standIn = try StandIn.start()
    let kubeconfig = try standIn.kubeconfig()
    standIn.stop()
    #expect(try answer(kubeconfig).obstacle?.kind == .unreachable)
  }

  @Test func aMissingKubeconfigIsNotConfigured() throws {
    let api = KubernetesAPI(kubeconfig: { "/nowhere/kubeconfig" }, entropy: CountingEntropy(), patience: Self.patience)
    defer { api.shutDown() }
    #expect(try wait { api.secrets.get("x", $0) }.obstacleKind == .notConfigured)
  }

  @Test(arguments: [
    ("", "is empty"), ("a: [", "did not find expected"), ("current-context: x\n", "`contexts` is missing"),
    ("\u{0}\u{1}", ""), ("- 1\n", "`current-context` is missing"),
  ])
  func whatIsNoKubeconfigIsNamed(_ text: String, _ words: String) throws {
    let obstacle = try #require(try answer(text).obstacle)
    #expect(obstacle.kind == .malformed)
    #expect(obstacle.place.contains("kubeconfig:1:") || obstacle.place.contains("kubeconfig:2:"), "\(obstacle)")
    #expect(words.isEmpty || obstacle.detail.contains(words), "\(obstacle)")
  }

  @Test func unsafeKubeconfigsAreRefusedAndNeverQuoted() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let good = standIn.kubeconfig(token: "the-token-itself", as: .admin)
    for (from, to) in [
      ("https://", "http://"), ("certificate-authority-data", "nothing"), ("current-context: ", "current-context: x"),
    ] {
      let obstacle = try #require(try answer(good.replacing(from, with: to)).obstacle, "\(from)")
      #expect(obstacle.kind == .malformed)
      #expect(!obstacle.description.contains("the-token-itself"))
    }
  }

  @Test(arguments: [
    (StandInFault.endlessBody, Obstacle.Kind.tooLarge), (.trickle(every: .seconds(1)), .timedOut),
    (.blackHole, .timedOut), (.silence, .timedOut), (.lostAnswers, .timedOut), (.status(429), .throttled),
    (.status(503), .throttled), (.refused, .unreachable), (.expiredCertificate, .untrusted),
    (.untrustedCertificate, .untrusted),
  ])
  func misbehaviourHasItsName(_ fault: StandInFault, _ kind: Obstacle.Kind) throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let kubeconfig = try standIn.kubeconfig()
    try standIn.setFault(fault)
    #expect(try answer(kubeconfig).obstacle?.kind == kind, "\(fault)")
    try standIn.setFault(nil)
    #expect(try answer(kubeconfig).isAbsent, "and all is well again")
  }

  /// The watch tells of changes, also after it was cut.
  @Test func theWatchComesBack() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let path = root.path + "/kubeconfig"
    try standIn.writeKubeconfig(to: path)
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: Self.patience)
    defer { api.shutDown() }
    let (connected, changed, cameBack) = (Slot<Bool>(), Slot<Bool>(), Slot<Bool>())
    let name = "edge-1.node-password.k3s"
    let draft = SecretDraft(name: name, type: "Opaque", hash: SecretBytes(copying: [1]), owner: nil)
    let connections = Counter()
    api.secrets.watch(name) { cause in
      // What happened while it was cut is not in the new watch: coming back is the hint.
      if cause == .apiConnected { (connections.next() == 1 ? connected : cameBack).fill(true) }
      if cause == .secretChanged { changed.fill(true) }
    }
    _ = try connected.value()
    guard case .created(let identity) = try wait({ api.secrets.create(draft, dryRun: false, $0) }).get() else { return }
    _ = try changed.value()
    standIn.cutWatches()
    _ = try wait { api.secrets.delete(identity, dryRun: false, $0) }.get()
    _ = try cameBack.value()
  }

  /// A connect that fails tells nobody that it has ended; what was set up for it must not come to life later, as a second
  /// watch beside the living one.
  @Test func aFailedConnectLeavesNothingBehind() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let path = root.path + "/kubeconfig"
    try standIn.writeKubeconfig(to: path)
    var patience = Self.patience
    patience.watch = .seconds(1)
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: patience)
    defer { api.shutDown() }
    let (connected, lost, cameBack) = (Slot<Bool>(), Slot<Bool>(), Slot<Bool>())
    let (connections, losses) = (Counter(), Counter())
    let lostAgain = DispatchSemaphore(value: 0)
    api.secrets.watch("edge-1.node-password.k3s") { cause in
      if cause == .apiConnected { (connections.next() == 1 ? connected : cameBack).fill(true) }
      if cause == .apiLost { if losses.next() == 1 { lost.fill(true) } else { lostAgain.signal() } }
    }
    _ = try connected.value()
    try standIn.setFault(.refused)
    _ = try lost.value()
    try standIn.setFault(nil)
    _ = try cameBack.value()
    // Longer than any stream may be silent: what was left behind would speak up by then.
    #expect(lostAgain.wait(timeout: .now() + 4) == .timedOut, "the living watch was given up for a dead one")
    #expect(standIn.watchCount <= 1)
  }

  /// Certificates are rotated in files of their own; the kubeconfig that names them stays as it is.
  @Test func filesThatAKubeconfigNamesAreReadAgain() throws {
    let (standIn, other) = (try StandIn.start(), try StandIn.start())
    defer {
      standIn.stop()
      other.stop()
    }
    try root.write(other.caCertificatePEM, "/ca.pem")
    let text = try standIn.kubeconfig().split(separator: "\n").map { line in
      guard let key = line.firstRange(of: "certificate-authority-data:") else { return String(line) }
      return line[..<key.lowerBound] + "certificate-authority: ca.pem"
    }
    try root.write(text.joined(separator: "\n"), "/kubeconfig")
    let path = root.path + "/kubeconfig"
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: Self.patience)
    defer { api.shutDown() }
    let name = "edge-1.node-password.k3s"
    #expect(try wait { api.secrets.get(name, $0) }.observed().obstacle?.kind == .untrusted)
    try root.write(standIn.caCertificatePEM, "/ca.pem")
    #expect(try wait { api.secrets.get(name, $0) }.observed().isAbsent)
  }
}
