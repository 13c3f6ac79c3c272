import NodePasswordCore

/// What an agent says to its unit's journal, in the words of its release (k3s-facts 1.5, 1.8, observed-k3s 9).
package struct AgentLog: Sendable {
  package enum Word: Hashable, Sendable {
    case unreachable
    /// At `config`: before the password is asked for.
    case configuration(status: Int)
    case passwordRejected
    case certificate(status: Int)
    /// Go refuses to put the file's contents into a header.
    case notSendable(contents: String)
    case retryingWithoutCertificate
    /// What is left of that retry since the request has a body.
    case bodyGone
    /// Lines that say nothing about joining, whatever words are in them.
    case noise(Int)
  }

  let distribution: Distribution
  let version: ServerVersion

  package init(_ distribution: Distribution, _ version: ServerVersion) {
    self.distribution = distribution
    self.version = version
  }

  static let noises = [
    "Starting agent", "Module overlay was already loaded", "Running kubelet --address=0.0.0.0",
    "pod edge-7 said: Node password rejected, duplicate hostname", "400 Bad Request",
    "pod edge-7 said: unable to verify password for node edge-66: hash does not match",
  ]

  /// - Parameter isFirstContact: this process has not yet reached its server; that loop has words of its own.
  package func line(_ word: Word, isFirstContact: Bool = false, at time: WallTime) -> String {
    let level: JournalLine.Level
    let message: String
    switch word {
    case .retryingWithoutCertificate:
      level = .info
      message = "Node authorization rejected, retrying without client certificate authentication"
    case .noise(let number):
      level = .info
      message = Self.noises[number % Self.noises.count]
    case .unreachable where isFirstContact:
      level = .error
      let server = "Failed to validate connection to cluster at https://10.0.0.9:6443: "
      message = (version < ServerVersion(30, 0) ? "" : server) + cause(word)
    default:
      level = version.waitsForServer ? .info : .error
      message = version.prefix + cause(word)
    }
    return JournalLine(time: time, level: level, message: message).text
  }

  // MARK: Causes

  private static let supervisor = "https://127.0.0.1:6444"

  private func cause(_ word: Word) -> String {
    switch word {
    case .unreachable: "failed to get CA certs\(authorities): \(silence)"
    case .configuration(let status):
      "failed to retrieve configuration from server: \(url("config")): \(Self.spelled(status))"
    case .passwordRejected:
      file
        + "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
        + "node-passwd entry, try enabling a unique node name with the --with-node-id flag"
    case .certificate(let status): "\(file)\(url("serving-kubelet.crt")): \(Self.spelled(status))"
    case .notSendable(let contents): "\(file)\(method) \"\(url("serving-kubelet.crt"))\": \(objection(contents))"
    case .bodyGone:
      "\(file)Post \"\(url("serving-kubelet.crt"))\": http: ContentLength=219 with Body length 0"
    case .retryingWithoutCertificate, .noise: ""
    }
  }

  private func url(_ name: String) -> String { "\(Self.supervisor)\(distribution.supervisorPrefix)/\(name)" }

  /// Since v1.30.2 the certificate's path comes first.
  private var file: String {
    version < ServerVersion(30, 2) ? "" : "\(distribution.defaultDataDirectory)/agent/serving-kubelet.crt: "
  }

  private var method: String { version.takesCertificateRequests ? "Post" : "Get" }

  private var authorities: String { version < ServerVersion(20, 0) ? " at \(Self.supervisor)/cacerts" : "" }

  /// Go 1.14 began to quote the address (K3s v1.19).
  private var silence: String {
    let address = "\(Self.supervisor)/cacerts"
    return "Get \(version < ServerVersion(19, 0) ? address : "\"\(address)\""): "
      + "dial tcp 127.0.0.1:6444: connect: connection refused"
  }

  /// Go before 1.18 (K3s v1.24) shows the value itself.
  private func objection(_ contents: String) -> String {
    let header = distribution.header("Password")
    return !version.hidesContents
      ? "net/http: invalid header field value \"\(contents)\" for key \(header)"
      : "net/http: invalid header field value for \"\(header)\""
  }

  private static func spelled(_ status: Int) -> String {
    let words = [
      400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests",
      500: "Internal Server Error", 503: "Service Unavailable",
    ]
    return "\(status) \(words[status] ?? "Unknown")"
  }
}

/// What agents do differently from release to release (k3s-facts 1.5).
extension ServerVersion {
  fileprivate var prefix: String {
    if waitsForServer { return "Waiting to retrieve agent configuration; server is not ready: " }
    if self < ServerVersion(19, 2) { return "" }
    return minor < 21 ? "Failed to retrieve agent config: " : "Failed to configure agent: "
  }

  fileprivate var waitsForServer: Bool {
    switch minor {
    case ..<20: false
    case 20: patch >= 10
    case 21: patch >= 4
    default: true
    }
  }

  /// Go 1.18 keeps what it refuses to send to itself.
  var hidesContents: Bool { minor >= 24 }

  /// Waits for 5 to 10 s and not for 5 s.
  var retriesWithJitter: Bool {
    switch minor {
    case ..<26, 27: false
    case 26: patch >= 11
    case 28: patch >= 4
    default: true
    }
  }

  /// Asks once more without its client certificate after a 401.
  var retriesWithoutCertificate: Bool {
    switch minor {
    case ..<26: false
    case 26: patch >= 7
    case 27: patch >= 4
    default: true
    }
  }
}
