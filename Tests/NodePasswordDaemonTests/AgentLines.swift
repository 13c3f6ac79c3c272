import NodePasswordCore
import Testing

/// Lines as agents of all versions write them (k3s-facts 0.1, 1.5 to 1.8, 3.1), with names and addresses made up.
struct KnownLine: Sendable, CustomTestStringConvertible {
  var versions: String
  var line: String
  var cause: Refusal.Cause

  var testDescription: String { "\(versions): \(cause)" }

  /// `message` as logrus writes it.
  static func logged(_ level: String, _ message: String, time: String = "2026-03-02T09:14:11Z") -> String {
    let quoted = message.flatMap { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }
    return "time=\"\(time)\" level=\(level) msg=\"\(String(quoted))\""
  }

  static let waiting = "Waiting to retrieve agent configuration; server is not ready: "
  static let configuring = "Failed to configure agent: "
  static let retrieving = "Failed to retrieve agent config: "
  static let validating = "Failed to validate connection to cluster at https://10.20.0.1:6443: "
  static let rejected =
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
    + "node-passwd entry, try enabling a unique node name with the --with-node-id flag"
  static let digest = String(repeating: "0123456789abcdef", count: 4)

  private static func known(
    _ versions: String, _ level: String, _ message: String, _ cause: Refusal.Cause
  ) -> KnownLine {
    KnownLine(versions: versions, line: logged(level, message), cause: cause)
  }

  static func url(_ product: String, _ file: String, _ peer: String = "127.0.0.1:6444") -> String {
    "https://\(peer)/v1-\(product)/\(file)"
  }

  static let all = ["k3s", "rke2"].flatMap(passwords) + ["k3s", "rke2"].flatMap(statuses) + tokens + silences + old

  private static func passwords(_ product: String) -> [KnownLine] {
    let agent = "/var/lib/rancher/\(product)/agent"
    let rootless = rejected.replacing("'/etc", with: "'/home/u/.rancher/\(product)/agent/etc")
    let header = "net/http: invalid header field value for \"\(product == "k3s" ? "K3s" : "Rke2")-Node-Password\""
    let post = "Post \"\(url(product, "client-kubelet.crt"))\": "
    return [
      known("\(product) 1.18", "error", rejected, .password),
      known("\(product) 1.20", "error", retrieving + rejected, .password),
      known("\(product) 1.21", "error", configuring + rejected, .password),
      known("\(product) 1.22", "info", waiting + rejected, .password),
      known("\(product) 1.22 rootless", "info", waiting + rootless, .password),
      known("\(product) 1.30", "info", "\(waiting)\(agent)/serving-kubelet.crt: \(rejected)", .password),
      known("\(product) 1.34", "info", "\(waiting)\(agent)/client-kubelet.crt: \(rejected)", .password),
      known(
        "\(product) 1.22", "info", "\(waiting)Get \"\(url(product, "serving-kubelet.crt"))\": \(header)",
        .malformedPassword),
      known("\(product) 1.31", "info", "\(waiting)\(agent)/client-kubelet.crt: \(post)\(header)", .malformedPassword),
      known(
        "\(product) 1.34", "info",
        "\(waiting)\(agent)/client-kubelet.crt: \(post)http: ContentLength=208 with Body length 0", .staleCertificate),
    ]
  }

  private static func statuses(_ product: String) -> [KnownLine] {
    let serving = url(product, "serving-kubelet.crt")
    let file = "/var/lib/rancher/\(product)/agent/serving-kubelet.crt: "
    let config = "failed to retrieve configuration from server: \(url(product, "config")): "
    return [
      known("\(product) 1.20", "error", "\(retrieving)\(serving): 400 Bad Request", .emptyPassword),
      known("\(product) 1.21", "error", "\(configuring)\(serving): 400 Bad Request", .emptyPassword),
      known("\(product) 1.31", "info", "\(waiting)\(file)\(serving): 400 Bad Request", .emptyPassword),
      known("\(product) 1.21", "error", "\(configuring)\(serving): 401 Unauthorized", .token),
      known("\(product) 1.26", "info", "\(waiting)\(serving): 401 Unauthorized", .nodeDeleted),
      known("\(product) 1.34", "info", "\(waiting)\(file)\(serving): 401 Unauthorized", .nodeDeleted),
      known("\(product) 1.34", "info", "\(waiting)\(file)\(serving): 429 Too Many Requests", .serverNotReady),
      known("\(product) 1.31", "info", "\(waiting)\(file)\(serving): 503 Service Unavailable", .serverNotReady),
      known(
        "\(product) 1.22", "info", "\(waiting)\(url(product, "client-ca.crt")): 503 Service Unavailable",
        .serverNotReady),
      known("\(product) 1.18", "error", "\(config)401 Unauthorized", .token),
      known("\(product) 1.21", "error", "\(configuring)\(config)401 Unauthorized", .token),
      known("\(product) 1.22", "info", "\(waiting)\(config)403 Forbidden", .token),
      known("\(product) 1.34", "info", "\(waiting)\(config)503 Service Unavailable", .serverNotReady),
    ]
  }

  private static let tokens = [
    known("1.19", "error", "token CA hash does not match the server CA hash: \(digest) != \(digest)", .token),
    known(
      "1.21", "error", "token CA hash does not match the Cluster CA certificate hash: \(digest) != \(digest)", .token),
    known(
      "1.31", "error",
      "\(validating)token CA hash does not match the Cluster CA certificate hash: \(digest) != \(digest)", .token),
    known("1.22", "info", waiting + "invalid token format", .token),
    known("1.31", "error", validating + "invalid token CA hash length", .token),
    known("1.28", "error", "token must not be empty", .token),
    known(
      "1.33", "error",
      "Failed to validate connection to cluster at https://server.example.org/: invalid token format", .token),
    known(
      "1.33", "error", "Failed to validate connection to cluster at https://[fd00::1]: invalid token format", .token),
  ]

  private static let silences = [
    "dial tcp 127.0.0.1:6444: connect: connection refused", "dial tcp [fd00::1]:6444: i/o timeout", "EOF",
    "dial tcp: lookup server.example.org on 10.0.0.2:53: no such host", "net/http: TLS handshake timeout",
    "read tcp 127.0.0.1:37296->127.0.0.1:6444: read: connection reset by peer",
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "context deadline exceeded",
  ].flatMap { silence in
    [
      known(
        "1.22", "info", "\(waiting)failed to get CA certs: Get \"https://127.0.0.1:6444/cacerts\": \(silence)",
        .serverNotReady),
      known(
        "1.28", "error", "failed to get CA certs: Get \"https://127.0.0.1:6444/cacerts\": \(silence)", .serverNotReady),
      known(
        "1.34", "error", "\(validating)CA cert validation failed: Get \"https://[::1]:6444/cacerts\": \(silence)",
        .serverNotReady),
      known(
        "1.24", "info",
        "\(waiting)failed to retrieve configuration from server: Get \"\(url("k3s", "config"))\": \(silence)",
        .serverNotReady),
      known("1.34", "info", "\(waiting)Post \"\(url("rke2", "serving-kubelet.crt"))\": \(silence)", .serverNotReady),
      known("1.24", "info", "\(waiting)Get \"\(url("k3s", "server-ca.crt"))\": \(silence)", .serverNotReady),
    ]
  }

  private static let old = [
    known("0.5", "error", "\(url("k3s", "node.crt", "server.example.org:6443")): 403 Forbidden", .password),
    known(
      "0.8", "error",
      "Node password rejected, contents of '/var/lib/rancher/k3s/agent/node-password.txt' may not match server passwd entry",
      .password),
    known(
      "1.18", "error",
      "failed to get CA certs at https://127.0.0.1:40793/cacerts: Get https://127.0.0.1:40793/cacerts: "
        + "read tcp 127.0.0.1:40510->127.0.0.1:40793: read: connection reset by peer", .serverNotReady),
  ]
}
