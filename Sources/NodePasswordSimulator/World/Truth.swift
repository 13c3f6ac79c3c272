import NodePasswordCore
import NodePasswordDaemon

/// What the laws are checked against: the world's own knowledge, not the daemon's.
struct Truth {
  /// Whatever must not come out anywhere.
  var secrets: Set<String> = []

  // Passwords, by what has become of them.
  /// Presented by this machine's agent and accepted with both certificates, by hardware.
  var accepted: [String: Set<[UInt8]>] = [:]
  /// In this machine's password file at some time, by hardware.
  var held: [String: Set<[UInt8]>] = [:]
  /// Taken into an escrow as law L6 allows, by hardware: what may be put back there.
  var rightful: [String: Set<[UInt8]>] = [:]
  /// That a Secret of this node once stood for.
  var stored: Set<[UInt8]> = []
  /// That the server refused, each with the last time.
  var refused: [[UInt8]: Moment] = [:]

  /// The joins that this server refused for their passwords, by name.
  var refusedJoins: [NodeName: [RefusedJoin]] = [:]
  /// Names that the daemon has told of, in any run.
  var toldJoins: Set<NodeName> = []

  /// When each Node last showed a heartbeat, whoever gave it.
  var heartbeats: [NodeName: Moment] = [:]
  /// Since when each Node tells of another machine than this one, or of an earlier boot.
  var elsewhere: [NodeName: Moment] = [:]
  /// The last start or reload of the daemon, jump of the clock, or datastore that was seen to go back.
  var lastDisturbance = Moment(nanoseconds: 0)
  var hasClockJumped = false
  /// This daemon has deleted the Secret and not asked for a new one yet.
  var hasDeleted = false
  var seenSecrets: Set<SecretIdentity> = []
  /// When somebody else last changed the Secret, and when it was last seen to be what an acceptance rests on.
  var lastMeddling = Moment(nanoseconds: 0)

  // Acts, by moment.
  var restores: [Moment] = []
  var serverFileActs: [Moment] = []
  /// By the Secret's name.
  var secretActs: [String: [Moment]] = [:]
  var unitActs: [Moment] = []
  /// Acts that were counted against the budget for this machine's files.
  var localCounts: [Moment] = []
  var isActLogFailing = false
  /// No put-back since the last acceptance.
  var mayPutBack = true

  var daemon = OfDaemon()
  /// An agent that is refused although this machine knows better.
  var ailment: Ailment?

  var violations: [String] = []
  var report: StatusReport?
  var records: [RecordKind: Int] = [:]
  /// Acts by their word.
  var acts: [String: Int] = [:]
  var exits: [Int32] = []

  /// What one run of the daemon has seen and said.
  struct OfDaemon {
    var startedAt: Moment?
    var escrow: [UInt8]?
    /// The password file that it has seen last.
    var file: FileIdentity?
    var fileReadAt: Moment?
    var certificatesReadAt: Moment?
    var secretReadAt: Moment?
    var leaseVersion: UInt64 = 0
    /// What it last said about a refused agent, until it says that this is over.
    var refusal: RecordKind?
    /// How the world was when a cause was told.
    var told: [RecordKind: Telling] = [:]
    var alerts: [Moment] = []
    var alertIDs: Set<String> = []
    /// Of those that may be raised again.
    var failedAlerts: Set<String> = []
    /// Priorities of what was raised, by subject and drift, until it is healed or gone.
    var episodes: [String: Priority] = [:]
    var probes: [Moment] = []
    /// When each refused name was last told, and with which peers.
    var joins: [NodeName: ToldJoin] = [:]
  }

  struct RefusedJoin {
    var at: Moment
    /// Without the port.
    var peer: String
  }

  struct ToldJoin {
    var at: Moment
    var peers: Set<String>
  }

  struct Telling: Equatable {
    var causes: Int
    var run: Int
    var file: FileIdentity?
    var escrow: FileIdentity?
  }

  struct Ailment {
    var run: Int
    var incarnation: Int
    var attempts: Int
  }
}

extension World.State {
  /// The password in the file, trimmed; `nil`: there is none that could be sent.
  var passwordInFile: [UInt8]? {
    guard let bytes = files[.password]?.bytes else { return nil }
    let text = Array(World.trimmed(bytes))
    return text.isEmpty || text.contains { $0 < 0x20 } ? nil : text
  }

  mutating func noteHeld() {
    guard let password = passwordInFile else { return }
    truth.held[machine.hardware, default: []].insert(password)
  }

  /// The name that the kubelet's certificate tells; the agent was let in by it.
  var certificateName: NodeName? {
    guard let bytes = files[.client]?.bytes else { return nil }
    return NodeName(String(decoding: bytes.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
  }

  var nodeID: String? { files[.nodeID].map { String(decoding: World.trimmed($0.bytes), as: UTF8.self) } }

  /// As the daemon goes by it.
  var effectiveName: NodeName { certificateName ?? machine.configuredName }

  // MARK: The Secret

  func secretText(_ name: NodeName) -> String? {
    let key = ObjectKey(
      namespace: Distribution.secretNamespace, name: server.distribution.secretName(of: name))
    guard let secret = server.store.object(.secrets, key) else { return nil }
    guard let text = secret.at("data", "hash")?.text, let bytes = try? Base64.decode(text) else { return "" }
    return String(decoding: bytes, as: UTF8.self)
  }

  func hasNode(_ name: NodeName) -> Bool {
    server.store.objects(.nodes).contains { $0.at("metadata", "name")?.text == name.rawValue }
  }

  /// The server holds a password for this name, by its hash or as a row.
  func isTaken(_ name: NodeName) -> Bool {
    server.version.keepsPasswordsInFile ? server.legacy.password(of: name) != nil : secretText(name) != nil
  }

  /// Whether the server would take this password for this name; one without a Secret is anybody's.
  func fits(_ password: [UInt8], _ name: NodeName) -> Bool {
    if server.version.keepsPasswordsInFile { return server.legacy.password(of: name).map { $0 == password } ?? true }
    guard let text = secretText(name) else { return true }
    return StoredHash.objection(password, text, server.keyDerivation) == nil
  }

  // MARK: The escrow

  var escrowDocument: EscrowDocument? { files[.escrow].flatMap { EscrowDocument(decoding: $0.bytes) } }

  /// Belongs to this machine under its present name, by the world's knowledge.
  func isOwn(_ document: EscrowDocument) -> Bool {
    document.machine == machine.hardware && document.node == effectiveName
  }
}

extension EscrowDocument {
  init?(decoding bytes: [UInt8]) {
    guard case .success(let document) = EscrowDocument.decode(SecretBytes(copying: bytes)) else { return nil }
    self = document
  }

  var acceptedBytes: [UInt8]? { acceptedPassword?.withBytes { Array($0) } }

  /// The newest that a heal displaced.
  var displacedBytes: [UInt8]? {
    candidates.last { $0.reason == .displacedByHeal }?.password.withBytes { Array($0) }
  }

  var allBytes: [[UInt8]] {
    candidates.map { $0.password.withBytes { Array($0) } } + [acceptedBytes].compactMap { $0 }
  }
}
