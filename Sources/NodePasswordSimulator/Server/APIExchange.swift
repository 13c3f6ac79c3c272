import NodePasswordCore

/// Who speaks, after authentication.
package struct Identity: Hashable, Sendable {
  package var name: String
  package var groups: [String]

  package init(name: String, groups: [String] = []) {
    self.name = name
    self.groups = groups
  }

  /// The identity of `/etc/rancher/k3s/k3s.yaml` (k3s-facts 5.3).
  package static let admin = Identity(name: "system:admin", groups: ["system:masters"])

  /// The identity of `client-kubelet.crt` (k3s-facts 1.3).
  package static func node(_ name: NodeName) -> Identity {
    Identity(name: "system:node:\(name)", groups: ["system:nodes"])
  }

  /// The node whose identity this is.
  package var nodeName: String? {
    guard groups.contains("system:nodes"), name.hasPrefix("system:node:") else { return nil }
    return String(name.dropFirst("system:node:".count))
  }
}

/// What a request brings to prove who speaks. The server decides which of them counts (k3s-facts 1.7).
package struct Credentials: Hashable, Sendable {
  package struct Basic: Hashable, Sendable {
    package var user: String
    package var password: String

    package init(user: String, password: String) {
      self.user = user
      self.password = password
    }
  }

  /// User and password of `Authorization: Basic`, as agents send `node` and the password of the join token.
  package var basic: Basic?
  package var bearerToken: String?
  /// The subject of a client certificate that the TLS front has verified.
  package var certificate: Identity?

  package init(basic: Basic? = nil, bearerToken: String? = nil, certificate: Identity? = nil) {
    self.basic = basic
    self.bearerToken = bearerToken
    self.certificate = certificate
  }

  package static let none = Credentials()
  package static let admin = Credentials(certificate: .admin)
}

/// A request as the front has it off the wire.
package struct APIRequest: Hashable, Sendable {
  package var method: String
  /// Without the query, percent-decoded.
  package var path: String
  /// Percent-decoded, in order of appearance.
  package var query: [QueryItem]
  /// Names in lower case.
  package var headers: [String: String]
  package var body: [UInt8]
  package var credentials: Credentials
  /// `address:port` of the other side, as the server's log names it.
  package var peer: String

  package struct QueryItem: Hashable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// `target` is a path with an optional query, percent-encoded as in a request line.
  package init(
    _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
    credentials: Credentials = .admin, peer: String = "127.0.0.1:40000"
  ) {
    self.method = method
    let parts = target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
      .map { Substring($0) }
    path = PercentEncoding.decode(parts[0], plusIsSpace: false)
    query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { pair in
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return QueryItem(
        PercentEncoding.decode(sides[0], plusIsSpace: true),
        sides.count > 1 ? PercentEncoding.decode(sides[1], plusIsSpace: true) : "")
    }
    self.headers = [String: String](
      headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
    self.body = body
    self.credentials = credentials
    self.peer = peer
  }

  /// The first value of a query parameter.
  package subscript(query name: String) -> String? { query.first { $0.name == name }?.value }
}

/// What the server answers.
package struct APIResponse: Sendable {
  package enum Body: Sendable {
    case empty
    case text(String)
    case json(JSONValue)
    /// A stream without end; see `ServerModel.poll`.
    case watch(WatchCursor)
    /// A certificate is granted; the front signs it. This is a 200.
    case certificate(CertificateGrant)
    /// A file of the server's, by its name on the supervisor port (`cacerts`, `server-ca.crt`, `client-ca.crt`,
    /// `config`); the front holds them.
    case file(String)
  }

  package var status: Int
  /// Names in lower case.
  package var headers: [String: String]
  package var body: Body
  /// What the server's unit writes to the journal about this request.
  package var journal: [JournalLine]

  package init(status: Int, headers: [String: String] = [:], body: Body = .empty, journal: [JournalLine] = []) {
    self.status = status
    self.headers = headers
    self.body = body
    self.journal = journal
  }

  /// The body as JSON, where it is that.
  package var json: JSONValue? {
    guard case .json(let value) = body else { return nil }
    return value
  }

  /// The words for a person: a Status object's message, or the plain text.
  package var message: String {
    switch body {
    case .json(let value): value["message"]?.text ?? ""
    case .text(let text): text
    default: ""
    }
  }
}

/// A kubelet certificate that the supervisor has agreed to sign.
package struct CertificateGrant: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case serving
    case client
  }

  package var kind: Kind
  /// The node's name, in lower case.
  package var node: String
  /// Addresses for the serving certificate, besides 127.0.0.1.
  package var addresses: [String]
  /// The body of a POST on a version that takes certificate requests (k3s-facts 1.6). Where it is none, the answer
  /// holds the key that all nodes share, as it does for `nil`.
  package var certificateRequest: [UInt8]?
}

/// A line of the server's unit.
package struct JournalLine: Hashable, Sendable {
  package enum Level: String, Hashable, Sendable {
    case error
    case warning
    case info
  }

  package var time: WallTime
  package var level: Level
  package var message: String

  package init(time: WallTime, level: Level, message: String) {
    self.time = time
    self.level = level
    self.message = message
  }

  /// As the journal holds it, in the form of logrus.
  package var text: String {
    "time=\"\(Timestamp.log(time))\" level=\(level.rawValue) msg=\(Self.quoted(message))"
  }

  private static func quoted(_ text: String) -> String { JSONValue.string(text).serialized }
}
