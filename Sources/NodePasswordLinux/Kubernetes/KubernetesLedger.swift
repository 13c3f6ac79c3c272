import FoundationEssentials
import NIOHTTP1
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The ledger in the ConfigMap `nodepassd-ledger`. What others have put there beside it stays.
final class KubernetesLedger: LedgerStore {
  static let name = "nodepassd-ledger"
  static let key = "ledger"
  private static let collection = "/api/v1/namespaces/\(Distribution.secretNamespace)/configmaps"
  private static let path = "\(collection)/\(name)"
  /// A ConfigMap's data is at most 1 MiB; the labels and managed fields of a busy one come on top, and JSON's escapes.
  private static let bodyLimit = 4 << 20

  /// What an update sends: all that a client may set.
  private struct ConfigMap: Codable {
    struct Metadata: Codable {
      var name: String?
      var namespace: String?
      var uid: String?
      var resourceVersion: String?
      var labels: [String: String]?
      var annotations: [String: String]?
      var finalizers: [String]?
      var ownerReferences: [Owner]?
    }

    struct Owner: Codable {
      var apiVersion: String
      var kind: String
      var name: String
      var uid: String
      var controller: Bool?
      var blockOwnerDeletion: Bool?
    }

    // An answer to a read names neither; a request must.
    var apiVersion: String?
    var kind: String?
    var metadata: Metadata
    var immutable: Bool?
    var data: [String: String]?
    var binaryData: [String: String]?
  }

  private let transport: APITransport
  /// As it was last read or written: what is written back must carry what is not ours.
  private let latest = Mutex<ConfigMap?>(nil)

  init(transport: APITransport) { self.transport = transport }

  // MARK: Read

  func read(_ completion: @escaping Completion<Observed<LedgerReading>>) {
    fetch { answer in
      completion(
        answer.flatMap { observed in
          switch observed {
          case .absent: .success(.absent)
          case .unknown(let obstacle): .failure(obstacle)
          case .present((let configMap, let version)):
            Self.ledger(configMap).map { .present(LedgerReading(ledger: $0, version: version)) }
          }
        })
    }
  }

  func damagedVersion(_ completion: @escaping Completion<Observed<String>>) {
    fetch { answer in
      completion(
        answer.map { observed in
          guard case .present((let configMap, let version)) = observed else { return observed.map { $0.1 } }
          return Self.ledger(configMap).isMalformed ? .present(version) : .absent
        })
    }
  }

  private func fetch(_ completion: @escaping Completion<Observed<(ConfigMap, String)>>) {
    let call = APICall(target: Self.path, bodyLimit: Self.bodyLimit)
    transport.send(call) { answer in
      completion(
        APIReading.optional(answer, ConfigMap.self, call).flatMap { observed in
          switch observed {
          case .absent: .success(.absent)
          case .unknown(let obstacle): .failure(obstacle)
          case .present(let configMap): self.keep(configMap, at: call.place).map { .present((configMap, $0)) }
          }
        })
    }
  }

  /// Answers its version.
  private func keep(_ configMap: ConfigMap, at place: String) -> Result<String, Obstacle> {
    guard configMap.metadata.name == Self.name, let version = configMap.metadata.resourceVersion, !version.isEmpty
    else {
      return .failure(Obstacle(.malformed, at: place, "the object has another name, or no resourceVersion"))
    }
    latest.withLock { $0 = configMap }
    return .success(version)
  }

  private static func ledger(_ configMap: ConfigMap) -> Result<Ledger, Obstacle> {
    let place = "configmap \(Distribution.secretNamespace)/\(name)"
    guard let text = configMap.data?[key] else {
      return .failure(Obstacle(.malformed, at: place, "it has no “\(key)”"))
    }
    do throws(CheckedLines.Damage) {
      return .success(try LedgerDocument.decode(text))
    } catch {
      return .failure(error.obstacle(at: place))
    }
  }

  // MARK: Write

  func write(_ ledger: Ledger, over version: String?, _ completion: @escaping Completion<LedgerWriting>) {
    switch LedgerDocument.encode(ledger) {
    case .failure(let obstacle): completion(.failure(obstacle))
    case .success(let text):
      guard let version else { return make(text, completion) }
      // What is not ours is known of the version that was read last and of no other.
      let known = latest.withLock { $0 }
      guard var configMap = known, configMap.metadata.resourceVersion == version else {
        return completion(.success(.conflict))
      }
      configMap.data = (configMap.data ?? [:]).merging([Self.key: text]) { _, new in new }
      send(.PUT, Self.path, configMap, completion)
    }
  }

  private func make(_ text: String, _ completion: @escaping Completion<LedgerWriting>) {
    let metadata = ConfigMap.Metadata(name: Self.name, namespace: Distribution.secretNamespace)
    send(.POST, Self.collection, ConfigMap(metadata: metadata, data: [Self.key: text]), completion)
  }

  private func send(
    _ method: HTTPMethod, _ target: String, _ configMap: ConfigMap, _ completion: @escaping Completion<LedgerWriting>
  ) {
    var configMap = configMap
    (configMap.apiVersion, configMap.kind) = ("v1", "ConfigMap")
    let call = APICall(method: method, target: target, bodyLimit: Self.bodyLimit)
    transport.send(call, configMap) { answer in
      completion(
        answer.flatMap { answer in
          switch answer.status {
          case 200, 201:
            return APIObjects.decode(ConfigMap.self, answer, at: call.place)
              .flatMap { self.keep($0, at: call.place) }.map { .written(version: $0) }
          case 409: return .success(.conflict)
          default:
            let refusal = APIRefusal(answer)
            // It was there when it was read.
            if method == .PUT, refusal.status == 404, refusal.reason == "NotFound" { return .success(.conflict) }
            return .failure(refusal.obstacle(at: call.place))
          }
        })
    }
  }
}

extension Result where Failure == Obstacle {
  fileprivate var isMalformed: Bool {
    if case .failure(let obstacle) = self { obstacle.kind == .malformed } else { false }
  }
}
