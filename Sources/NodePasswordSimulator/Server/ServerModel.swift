import NodePasswordCore

/// A K3s or RKE2 server in pretend: the part of the Kubernetes API and of the supervisor port that node passwords need,
/// by version. A value without clock, randomness or socket: the time is a parameter, random bytes follow from a seed,
/// and scrypt is injected.
///
/// - `handle(_:at:)` answers one request, of the Kubernetes API or of the supervisor (`/v1-k3s/...`, `/cacerts`,
///   `/ping`), and says what the server would log. Everything else goes through it, so HTTP and simulation agree.
/// - `tick(at:)` runs the controllers: garbage collection, owner references, Node removal, the sweep of orphans,
///   deferred verifications, migration after a start. Call it between steps; nothing happens in the background.
/// - `poll(_:)` takes the changes since the last call out of a watch that `handle` has begun.
/// - `restart(at:)`, `snapshot()`, `restore(_:at:)`, `compact(keeping:)`: a server's life.
/// - `readSecret`, `createSecret`, `deleteSecret`, `sealSecret`, `listSecrets`, `readNode`, `readLease`, `register`:
///   what the daemon's ports and an agent ask for, in Swift types (`ServerModel+Calls.swift`).
///
/// Not modelled: `managedFields`, Roles and admission policies as objects (`AccessRule` and `AdmissionRule` stand for
/// them), the file `cred/node-passwd` after 1.19, etcd-only servers.
package struct ServerModel: Sendable {
  package struct Configuration: Sendable {
    package var distribution: Distribution
    package var version: ServerVersion
    /// The password of the users `node` and `server`, the last part of the join token. Not the node password.
    package var tokenPassword: String
    /// The node that runs on the server's own machine, if an agent runs there (k3s-facts 2.5).
    package var ownNode: NodeName?
    /// Random bytes follow from this: uids, salts, generated names.
    package var seed: UInt64
    /// How many changes the datastore remembers for watches.
    package var historyLimit = 10_000

    package init(
      distribution: Distribution = .k3s, version: ServerVersion = .v1_34_2, tokenPassword: String = "join-password",
      ownNode: NodeName? = nil, seed: UInt64 = 1
    ) {
      self.distribution = distribution
      self.version = version
      self.tokenPassword = tokenPassword
      self.ownNode = ownNode
      self.seed = seed
    }
  }

  /// How far a start has got.
  package enum Phase: Hashable, Sendable {
    /// The API server is not up: 503 `starting` (observed-k3s 1).
    case starting
    /// The API server answers; registration of other nodes is 503 `runtime core not ready` (observed-k3s 1).
    case coreNotReady
    case ready
  }

  /// How long each phase of a start lasts.
  package struct Startup: Hashable, Sendable {
    package var untilAPI: Duration
    package var untilCore: Duration

    /// Ready at once.
    package static let immediate = Startup(untilAPI: .zero, untilCore: .zero)
    /// The core was ready about 7 s after the API server (observed-k3s 1).
    package static let observed = Startup(untilAPI: .seconds(5), untilCore: .seconds(12))

    package init(untilAPI: Duration, untilCore: Duration) {
      self.untilAPI = untilAPI
      self.untilCore = untilCore
    }
  }

  package var configuration: Configuration
  package let keyDerivation: KeyDerivationFunction
  /// What identities other than administrators may do.
  package var accessRules: [AccessRule] = []
  /// What admission policies keep identities from.
  package var admissionRules: [AdmissionRule] = []
  /// Who speaks with which bearer token.
  package var bearerTokens: [String: Identity] = [:]
  /// The password file on the server's own machine, trimmed; `nil`: there is none.
  package var ownPassword: [UInt8]?
  /// Where not `nil`, creating a Secret is forbidden with this cause, for example
  /// `exceeded quota: q, requested: secrets=1, used: secrets=37, limited: secrets=1`.
  package var secretCreationObstacle: String?
  /// `cred/node-passwd` of a server up to 1.19, on its own disk; and where that is a real one.
  package var legacy = LegacyDisk()
  package var rowFile: RowFile?
  package internal(set) var phase = Phase.ready
  package internal(set) var store: ObjectStore
  var entropy: Entropy
  var controllers = ControllerState()
  /// When the cluster was made: its authorities are named after it.
  let createdAt: WallTime
  var startedAt: WallTime
  var startup = Startup.immediate
  /// Watches of an earlier generation are cut: the server was restarted or its datastore replaced.
  var generation = 0

  /// A server that has just started with an empty datastore and the namespaces of a new cluster.
  package init(
    _ configuration: Configuration, at time: WallTime, keyDerivation: @escaping KeyDerivationFunction
  ) {
    self.configuration = configuration
    self.keyDerivation = keyDerivation
    store = ObjectStore(historyLimit: configuration.historyLimit)
    entropy = Entropy(seed: configuration.seed)
    createdAt = time
    startedAt = time
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
      let namespace: JSONValue = [
        "apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)],
        "spec": ["finalizers": ["kubernetes"]], "status": ["phase": "Active"],
      ]
      _ = try? create(.namespaces, namespace: "", namespace, options: WriteOptions(time: time))
    }
  }

  package var distribution: Distribution { configuration.distribution }
  package var version: ServerVersion { configuration.version }
  package var secretType: String { version.hasTypedSecrets ? distribution.secretType : "Opaque" }

  /// Answers one request.
  package mutating func handle(_ request: APIRequest, at time: WallTime) -> APIResponse {
    advancePhase(at: time)
    if isSupervisor(request.path) { return supervise(request, at: time) }
    guard phase != .starting else { return APIResponse(status: 503, headers: Self.plainText, body: .text("starting")) }
    do throws(APIFailure) {
      let identity = try authenticateForAPI(request.credentials)
      return try serve(request, as: identity, at: time)
    } catch {
      return error.response
    }
  }

  static let plainText = ["content-type": "text/plain; charset=utf-8"]
  static let jsonHeaders = ["content-type": "application/json", "cache-control": "no-cache, private"]
}

/// scrypt or something quicker: a key of `length` bytes. `nil` where the cost is beyond what the host will do.
package typealias KeyDerivationFunction =
  @Sendable (_ password: [UInt8], _ salt: [UInt8], _ cost: ScryptCost, _ length: Int) -> [UInt8]?

/// scrypt's parameters as a hash spells them (k3s-facts 2.2).
package struct ScryptCost: Hashable, Sendable {
  package var logN: Int
  package var r: Int
  package var p: Int

  package init(logN: Int = 15, r: Int = 8, p: Int = 1) {
    self.logN = logN
    self.r = r
    self.p = p
  }
}

/// A sequence of bytes that looks random and follows from its seed (SplitMix64).
struct Entropy: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let word = next()
      bytes.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) })
    }
    return Array(bytes.prefix(count))
  }

  /// A version 4 UUID.
  mutating func uid() -> String {
    var bytes = bytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Hexadecimal.encode(bytes)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if [8, 12, 16, 20].contains(index) { text.append("-") }
      text.append(digit)
    }
    return text
  }

  /// What `generateName` appends: five characters without vowels.
  mutating func nameSuffix() -> String {
    let alphabet = Array("bcdfghjklmnpqrstvwxz2456789".utf8)
    return String(decoding: bytes(5).map { alphabet[Int($0) % alphabet.count] }, as: UTF8.self)
  }
}

package enum Hexadecimal {
  package static func encode(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// `nil` where the text is not pairs of hexadecimal digits.
  package static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = digits[index], let low = digits[index + 1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return bytes
  }
}
