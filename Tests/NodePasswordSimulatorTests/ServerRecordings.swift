import Foundation
import NodePasswordCore
import NodePasswordSimulator
import Testing

/// The recorded exchanges of one file, by name.
struct Recordings {
  let exchanges: [String: JSONValue]

  init(_ file: String) throws {
    let url = try #require(Bundle.module.url(forResource: "Recordings/\(file)", withExtension: "json"))
    let document = try JSONValue(parsing: Array(try Data(contentsOf: url)))
    exchanges = try #require(document.members)
  }

  func request(_ name: String) -> JSONValue { exchanges[name]?["request"] ?? [:] }
  func response(_ name: String) -> JSONValue { exchanges[name]?["response"] ?? [:] }
}

/// Makes two answers comparable: what differs from run to run is replaced by a word.
enum Normal {
  static func form(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(form(text))
    case .array(let elements): .array(elements.map(form))
    case .object(let members): .object(object(members))
    default: value
    }
  }

  private static let times: Set = ["creationTimestamp", "deletionTimestamp"]

  private static func object(_ members: [String: JSONValue]) -> [String: JSONValue] {
    var result: [String: JSONValue] = [:]
    for (name, value) in members where name != "managedFields" {
      switch (name, value) {
      case ("resourceVersion", .string): result[name] = "(version)"
      case ("continue", .string): result[name] = "(continue)"
      case (_, .string) where times.contains(name): result[name] = "(time)"
      default: result[name] = form(value)
      }
    }
    return result
  }

  private static func form(_ text: String) -> String {
    var text = text
    for (pattern, word) in [
      ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "(uid)"),
      (#"\([0-9]+\)"#, "(version)"), ("resource version: [0-9]+", "resource version: (version)"),
      ("current: [0-9]+", "current: (version)"), (#"rec-3([.-])[b-df-hj-np-tv-xz2456789]{5}(?![0-9a-z])"#, "rec-3$1*"),
    ] { text = text.replacingOccurrences(of: pattern, with: word, options: .regularExpression) }
    return text
  }
}

/// A step of a replay: a recorded exchange, and what happened before it without being recorded.
struct Step: Sendable {
  enum Speaker: Sendable {
    case admin
    case nobody
    case user(String)
    case token(String)
  }

  var name: String
  var speaker = Speaker.admin
  var before: (@Sendable (inout Replay) throws -> Void)?
  /// Changes to the recorded request, where the recording lost something.
  var edit: (@Sendable (inout JSONValue) -> Void)?
  /// What happens while a watch is open.
  var meanwhile: (@Sendable (inout Replay) throws -> Void)?
  /// Both answers, before they are compared: for what the model does not claim.
  var concession: (@Sendable (JSONValue) -> JSONValue)?

  init(
    _ name: String, as speaker: Speaker = .admin, before: (@Sendable (inout Replay) throws -> Void)? = nil,
    edit: (@Sendable (inout JSONValue) -> Void)? = nil, meanwhile: (@Sendable (inout Replay) throws -> Void)? = nil,
    concession: (@Sendable (JSONValue) -> JSONValue)? = nil
  ) {
    self.name = name
    self.speaker = speaker
    self.before = before
    self.edit = edit
    self.meanwhile = meanwhile
    self.concession = concession
  }
}

/// Sends recorded requests to a model and compares the answers. Uids, versions and tokens of the recording are
/// translated into the model's as they become known.
struct Replay {
  let recordings: Recordings
  var model: ServerModel
  let time = WallTime(seconds: 1_795_384_835)
  private var known: [String: String] = [:]

  init(_ file: String, _ version: ServerVersion) throws {
    recordings = try Recordings(file)
    model = ServerModel(.init(version: version), at: time) { password, salt, _, length in
      Array((salt + password + [UInt8](repeating: 0, count: length)).prefix(length))
    }
  }

  mutating func run(_ step: Step) throws {
    try step.before?(&self)
    var recorded = recordings.request(step.name)
    step.edit?(&recorded)
    let request = try request(recorded, step.speaker)
    let expected = recordings.response(step.name)
    let answer = model.handle(request, at: time)
    #expect(Int64(answer.status) == expected["status"]?.integer, "\(step.name): status, \(answer.message)")
    for name in ["content-type", "retry-after", "warning"] {
      let value = expected.at("headers", name)?.text
      #expect(answer.headers[name] == value, "\(step.name): header \(name)")
    }
    if case .watch(var cursor) = answer.body {
      try step.meanwhile?(&self)
      var events = model.poll(&cursor, at: time)
      if cursor.takesBookmarks, !cursor.isClosed { events.append(model.bookmark(cursor)) }
      compare(step, .array(expected["stream"]?.elements ?? []), .array(events))
    } else if let json = answer.json {
      let body = expected["body"] ?? .null
      learn(body, json)
      compare(step, body, json)
    } else {
      #expect(expected["body"]?.text ?? "" == answer.message, "\(step.name)")
    }
  }

  private func compare(_ step: Step, _ expected: JSONValue, _ actual: JSONValue) {
    let concession = step.concession ?? { $0 }
    let wanted = Self.withoutClosingBookmarks(concession(Normal.form(expected)))
    let got = Self.withoutClosingBookmarks(concession(Normal.form(actual)))
    #expect(wanted == got, "\(step.name):\n recorded \(wanted.serialized)\n model    \(got.serialized)")
  }

  /// How many bookmarks a server sends at the end is chance.
  private static func withoutClosingBookmarks(_ value: JSONValue) -> JSONValue {
    guard case .array(var events) = value else { return value }
    while let last = events.last, last["type"] == "BOOKMARK", last.at("object", "metadata", "annotations") == nil {
      events.removeLast()
    }
    return .array(events)
  }

  // MARK: Translation

  private mutating func request(_ recorded: JSONValue, _ speaker: Step.Speaker) throws -> APIRequest {
    let method = try #require(recorded["method"]?.text)
    var path = try #require(recorded["path"]?.text)
    path = path.replacingOccurrences(of: "(now)", with: "\(model.store.revision)")
    for (theirs, ours) in known where path.contains("=\(theirs)") {
      path = path.replacingOccurrences(of: "=\(theirs)", with: "=\(ours)")
    }
    var headers = (recorded["headers"]?.members ?? [:]).compactMapValues(\.text)
    headers["Authorization"] = nil
    var body: [UInt8] = []
    if let text = recorded["body"]?.text {
      body = Array(text.utf8)
    } else if let value = recorded["body"] {
      bindPrecondition(value, path)
      body = translated(value).bytes
    }
    let credentials: Credentials =
      switch speaker {
      case .admin: .admin
      case .nobody: .none
      case .user(let name): Credentials(certificate: Identity(name: name))
      case .token(let token): Credentials(bearerToken: token)
      }
    return APIRequest(method, path, headers: headers, body: body, credentials: credentials)
  }

  /// A uid that only this request names is that of the object as it is.
  private mutating func bindPrecondition(_ body: JSONValue, _ path: String) {
    guard let uid = body.at("preconditions", "uid")?.text, !uid.hasPrefix("00000000"), known[uid] == nil else { return }
    known[uid] = model.handle(APIRequest("GET", path), at: time).json?.at("metadata", "uid")?.text
  }

  private func translated(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let elements): .array(elements.map(translated))
    case .object(let members): .object(members.filter { $0.key != "managedFields" }.mapValues(translated))
    case .string(let text): .string(known[text] ?? text)
    default: value
    }
  }

  private mutating func learn(_ recorded: JSONValue, _ actual: JSONValue) {
    for field in ["uid", "resourceVersion", "continue"] {
      guard let theirs = recorded.at("metadata", field)?.text, let ours = actual.at("metadata", field)?.text else {
        continue
      }
      known[theirs] = ours
    }
  }

  // MARK: What was not recorded

  mutating func makeSecret(
    _ name: String, type: String = "k3s.cattle.io/node-password", metadata: JSONValue = [:],
    isImmutable: Bool = true
  ) throws {
    let path = "/api/v1/namespaces/kube-system/secrets"
    let body: JSONValue = [
      "metadata": metadata.merging(["name": .string(name)]), "type": .string(type),
      "immutable": .boolean(isImmutable),
      "data": ["hash": "eA=="],
    ]
    try send("POST", path, body, 201)
  }

  mutating func makeNode(_ name: String, finalizer: String? = nil) throws {
    var metadata: JSONValue = ["name": .string(name)]
    if let finalizer { metadata["finalizers"] = [.string(finalizer)] }
    try send("POST", "/api/v1/nodes", ["metadata": metadata], 201)
  }

  mutating func makeLease(_ name: String) throws {
    let time = JSONValue.string("2026-11-22T22:00:00.000000Z")
    let body: JSONValue = [
      "metadata": ["name": .string(name)],
      "spec": ["holderIdentity": .string(name), "leaseDurationSeconds": 40, "renewTime": time],
    ]
    try send("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", body, 201)
  }

  mutating func patch(_ path: String, _ patch: JSONValue) throws { try send("PATCH", path, patch, 200) }

  mutating func remove(_ path: String) throws { try send("DELETE", path, nil, 200) }

  mutating func uid(_ path: String) -> JSONValue {
    model.handle(APIRequest("GET", path), at: time).json?.at("metadata", "uid") ?? ""
  }

  /// What a second client did during the recorded watches.
  mutating func makeLabelAndRemove(_ name: String, type: String) throws {
    try makeSecret(name, type: type)
    let path = "/api/v1/namespaces/kube-system/secrets/\(name)"
    try patch(path, ["metadata": ["labels": ["a": "b"]]])
    try remove(path)
  }

  private mutating func send(_ method: String, _ path: String, _ body: JSONValue?, _ status: Int) throws {
    let headers = method == "PATCH" ? ["content-type": "application/merge-patch+json"] : [:]
    let answer = model.handle(APIRequest(method, path, headers: headers, body: body?.bytes ?? []), at: time)
    try #require(answer.status == status, "\(method) \(path): \(answer.message)")
  }
}
