import NodePasswordCore
import NodePasswordDaemon

/// The ledger and Events, as the daemon's ports ask for them. Each call is a request through `handle`.
extension ServerModel {
  private static let ledgersPath = "/api/v1/namespaces/\(Distribution.secretNamespace)/configmaps"
  package static let ledgerPath = "\(ledgersPath)/nodepassd-ledger"

  package mutating func readLedger(
    as credentials: Credentials = .admin, at time: WallTime
  ) -> Observed<LedgerReading> {
    let response = handle(APIRequest("GET", Self.ledgerPath, credentials: credentials), at: time)
    switch Self.observed(response, "GET \(Self.ledgerPath)", { $0 }) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let object):
      switch Self.ledger(object) {
      case .failure(let obstacle): return .unknown(obstacle)
      case .success(let ledger): return .present(LedgerReading(ledger: ledger, version: Self.version(object)))
      }
    }
  }

  package mutating func damagedLedgerVersion(
    as credentials: Credentials = .admin, at time: WallTime
  ) -> Observed<String> {
    let response = handle(APIRequest("GET", Self.ledgerPath, credentials: credentials), at: time)
    switch Self.observed(response, "GET \(Self.ledgerPath)", { $0 }) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let object):
      guard case .failure(let obstacle) = Self.ledger(object), obstacle.kind == .malformed else { return .absent }
      return .present(Self.version(object))
    }
  }

  package mutating func writeLedger(
    _ ledger: Ledger, over version: String?, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<LedgerWriting, Obstacle> {
    LedgerDocument.encode(ledger).flatMap { text in
      let data: JSONValue = ["ledger": .string(text)]
      var object: JSONValue = ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "nodepassd-ledger"]]
      if version != nil {
        object = handle(APIRequest("GET", Self.ledgerPath, credentials: credentials), at: time).json ?? object
      }
      object["data"] = (object["data"] ?? [:]).merging(data)
      if let version { object["metadata"] = (object["metadata"] ?? [:]).merging(["resourceVersion": .string(version)]) }
      let (method, path) = version == nil ? ("POST", Self.ledgersPath) : ("PUT", Self.ledgerPath)
      let response = handle(APIRequest(method, path, body: object.bytes, credentials: credentials), at: time)
      switch response.status {
      case 200, 201: return .success(.written(version: Self.version(response.json ?? [:])))
      case 409: return .success(.conflict)
      case 404 where version != nil: return .success(.conflict)
      default: return .failure(Self.obstacle(response, "\(method) \(path)"))
      }
    }
  }

  /// - Parameter name: the Event's, unlike any other.
  package mutating func postEvent(
    _ event: NodeEvent, named name: String, by instance: String, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<Void, Obstacle> {
    let path = "/apis/events.k8s.io/v1/namespaces/default/events"
    var regarding: JSONValue = ["apiVersion": "v1", "kind": "Node", "name": .string(event.node.rawValue)]
    if let uid = event.nodeUID { regarding["uid"] = .string(uid) }
    let object: JSONValue = [
      "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": ["name": .string(name), "namespace": "default"],
      "eventTime": .string(Timestamp.micro(event.at)), "reportingController": "nodepassd.io/nodepassd",
      "reportingInstance": .string(instance), "action": .string(event.action), "reason": .string(event.reason),
      "regarding": regarding, "note": .string(event.note), "type": event.isWarning ? "Warning" : "Normal",
    ]
    let response = handle(APIRequest("POST", path, body: object.bytes, credentials: credentials), at: time)
    return response.status == 201 ? .success(()) : .failure(Self.obstacle(response, "POST \(path)"))
  }

  private static func version(_ object: JSONValue) -> String { object.at("metadata", "resourceVersion")?.text ?? "" }

  private static func ledger(_ object: JSONValue) -> Result<Ledger, Obstacle> {
    guard let text = object.at("data", "ledger")?.text else {
      return .failure(Obstacle(.malformed, at: ledgerPath, "it has no “ledger”"))
    }
    do throws(CheckedLines.Damage) {
      return .success(try LedgerDocument.decode(text))
    } catch {
      return .failure(error.obstacle(at: ledgerPath))
    }
  }
}
