import FoundationEssentials
import NodePasswordCore
import NodePasswordDaemon

/// The parts of Kubernetes' objects that are read here; everything else in an answer is passed over.
enum APIObjects {
  struct Metadata: Decodable {
    var name: String?
    var uid: String?
    var resourceVersion: String?
    var deletionTimestamp: String?
    var labels: [String: String]?
    var annotations: [String: String]?
    var `continue`: String?
  }

  struct Status: Decodable {
    var message: String?
    var reason: String?
    var code: Int?
  }

  struct Secret: Decodable {
    var metadata: Metadata
    var type: String?
    var immutable: Bool?
    var data: [String: String?]?
  }

  struct Node: Decodable {
    struct Address: Decodable {
      var type: String
      var address: String
    }

    struct Info: Decodable {
      var machineID: String?
      var bootID: String?
      var kubeletVersion: String?
    }

    struct Condition: Decodable {
      var type: String
      var lastHeartbeatTime: String?
    }

    struct NodeStatus: Decodable {
      var addresses: [Address]?
      var conditions: [Condition]?
      var nodeInfo: Info?
    }

    var metadata: Metadata
    var status: NodeStatus?
  }

  /// Anything of which only the metadata counts.
  struct Bare: Decodable {
    var metadata: Metadata
  }

  struct List: Decodable {
    var metadata: Metadata
    var items: [Bare]?
  }

  static func decode<Value: Decodable>(_ type: Value.Type, _ answer: APIAnswer, at place: String) -> Result<
    Value, Obstacle
  > {
    do {
      return .success(try JSONDecoder().decode(type, from: Data(answer.body)))
    } catch {
      // The decoder's words may quote the document, which holds a hash.
      return .failure(Obstacle(.malformed, at: place, "the answer is not the object that was asked for"))
    }
  }

  /// - Parameter isStored: what was only rehearsed has no version (recording `secret-create-dry-run`).
  static func identity(
    _ metadata: Metadata, isStored: Bool = true, at place: String
  ) -> Result<SecretIdentity, Obstacle> {
    let version = isStored ? metadata.resourceVersion : metadata.resourceVersion ?? ""
    guard let name = metadata.name, let uid = metadata.uid, let version, !uid.isEmpty else {
      return .failure(Obstacle(.malformed, at: place, "the object has no name, uid or resourceVersion"))
    }
    return .success(SecretIdentity(name: name, uid: uid, resourceVersion: version))
  }
}

/// What an answer that is no success means.
struct APIRefusal: Sendable {
  private static let textLimit = 300

  var status: Int
  /// Kubernetes' word, e.g. `AlreadyExists`; empty where the answer was no Status.
  var reason: String
  /// For people, cut to a line.
  var message: String

  /// A `Status` as JSON, or plain text as 429 has it (observed-k3s 12).
  init(_ answer: APIAnswer) {
    status = answer.status
    let decoded = try? JSONDecoder().decode(APIObjects.Status.self, from: Data(answer.body))
    reason = decoded?.reason ?? ""
    let text = decoded?.message ?? String(decoding: answer.body.prefix(Self.textLimit), as: UTF8.self)
    let line = text.unicodeScalars.prefix(Self.textLimit).map { $0.value < 0x20 ? " " : Character($0) }
    message = line.isEmpty || Self.tellsHash(text) ? "status \(answer.status)" : String(line).trimmed
  }

  /// An admission webhook may quote the Secret that it denies (law L5): hashes begin so, in Base64 as well (k3s-facts 2.2).
  private static func tellsHash(_ text: String) -> Bool {
    ["$1:", "JDE6"].contains { text.firstRange(of: $0) != nil }
  }

  func obstacle(at place: String) -> Obstacle {
    let kind: Obstacle.Kind =
      switch status {
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 409: .conflict
      case 429, 503, 504: .throttled
      case 500...599: .inputOutput
      default: .malformed
      }
    return Obstacle(kind, at: place, "\(status) \(message)")
  }
}
