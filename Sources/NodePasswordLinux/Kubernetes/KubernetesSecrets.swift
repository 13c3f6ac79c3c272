import FoundationEssentials
import NIOHTTP1
import NodePasswordCore
import NodePasswordDaemon

/// The node-password Secrets over the API.
struct KubernetesSecrets: NodePasswordSecrets {
  /// Bytes of one page of metadata.
  private static let pageLimit = 8 << 20
  static let collection = "/api/v1/namespaces/\(Distribution.secretNamespace)/secrets"

  let transport: APITransport
  let watch: SecretWatch

  private static func path(_ name: String) -> String { "\(collection)/\(name)" }

  // MARK: Read

  func get(_ name: String, _ completion: @escaping Completion<Observed<SecretReading>>) {
    let call = APICall(target: Self.path(name))
    transport.send(call) { answer in
      completion(
        APIReading.optional(answer, APIObjects.Secret.self, call).flatMap { observed in
          switch observed {
          case .absent: .success(.absent)
          case .unknown(let obstacle): .failure(obstacle)
          case .present(let secret): Self.reading(secret, at: call.place).map { .present($0) }
          }
        })
    }
  }

  private static func reading(_ secret: APIObjects.Secret, at place: String) -> Result<SecretReading, Obstacle> {
    APIObjects.identity(secret.metadata, at: place).map { identity in
      // What is no base64 is no hash either; its verdict comes from the parser.
      let hash = (secret.data?["hash"]).map { text in
        SecretBytes(copying: text.flatMap { Data(base64Encoded: $0) } ?? Data())
      }
      return SecretReading(
        identity: identity, type: secret.type ?? "Opaque", isImmutable: secret.immutable ?? false,
        isBeingDeleted: secret.metadata.deletionTimestamp != nil, hash: hash)
    }
  }

  func list(pageSize: Int, _ completion: @escaping Completion<[SecretIdentity]>) {
    let list = APIList<[SecretIdentity]>(
      path: Self.collection, pageSize: pageSize, accept: APICall.metadataList, bodyLimit: Self.pageLimit,
      empty: []
    ) { page, call, found in
      APIObjects.decode(APIObjects.List.self, page, at: call.place).map { list in
        found += (list.items ?? []).compactMap { item -> SecretIdentity? in
          guard case .success(let identity) = APIObjects.identity(item.metadata, at: call.place),
            NodeName(secretName: identity.name) != nil
          else { return nil }
          return identity
        }
        return list.metadata.continue ?? ""
      }
    }
    transport.read(list, completion)
  }

  // MARK: Change

  private struct NewSecret: Encodable {
    struct Metadata: Encodable {
      var name: String
      var ownerReferences: [Owner]?
    }

    struct Owner: Encodable {
      var apiVersion = "v1"
      var kind = "Node"
      var name: String
      var uid: String
    }

    var apiVersion = "v1"
    var kind = "Secret"
    var metadata: Metadata
    var type: String
    var immutable = true
    var data: [String: Data]
  }

  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>) {
    let owners = draft.owner.map { [NewSecret.Owner(name: $0.node.rawValue, uid: $0.uid)] }
    let secret = NewSecret(
      metadata: NewSecret.Metadata(name: draft.name, ownerReferences: owners), type: draft.type,
      data: ["hash": draft.hash.withBytes { Data($0) }])
    send(.POST, Self.collection + (dryRun ? "?dryRun=All" : ""), secret) { call, answer in
      completion(
        answer.flatMap { answer in
          if answer.status == 201 {
            return APIObjects.decode(APIObjects.Bare.self, answer, at: call.place)
              .flatMap { APIObjects.identity($0.metadata, isStored: !dryRun, at: call.place) }.map { .created($0) }
          }
          let refusal = APIRefusal(answer)
          if refusal.status == 409, refusal.reason == "AlreadyExists" { return .success(.alreadyExists) }
          return .failure(refusal.obstacle(at: call.place))
        })
    }
  }

  /// Preconditions and dry run go in the body: beside a body the server ignores the query, and a rehearsal would delete
  /// (observed-k3s 11).
  private struct DeleteOptions: Encodable {
    struct Preconditions: Encodable {
      var uid: String
      var resourceVersion: String
    }

    var apiVersion = "v1"
    var kind = "DeleteOptions"
    var preconditions: Preconditions
    var dryRun: [String]?
  }

  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>) {
    let options = DeleteOptions(
      preconditions: DeleteOptions.Preconditions(uid: identity.uid, resourceVersion: identity.resourceVersion),
      dryRun: dryRun ? ["All"] : nil)
    send(.DELETE, Self.path(identity.name), options) { call, answer in
      completion(
        answer.flatMap { answer in
          if answer.status == 200 { return .success(.deleted) }
          let refusal = APIRefusal(answer)
          if refusal.status == 404, refusal.reason == "NotFound" { return .success(.notFound) }
          if refusal.status == 409 { return .success(.conflict(refusal.message)) }
          return .failure(refusal.obstacle(at: call.place))
        })
    }
  }

  private struct Seal: Encodable {
    struct Metadata: Encodable {
      var uid: String
      var resourceVersion: String
    }

    var metadata: Metadata
    var immutable = true
  }

  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>) {
    let patch = Seal(metadata: Seal.Metadata(uid: identity.uid, resourceVersion: identity.resourceVersion))
    send(.PATCH, Self.path(identity.name), patch, contentType: "application/merge-patch+json") { call, answer in
      completion(
        answer.flatMap { answer in
          if answer.status == 200 {
            return APIObjects.decode(APIObjects.Bare.self, answer, at: call.place)
              .flatMap { APIObjects.identity($0.metadata, at: call.place) }.map { .sealed($0) }
          }
          let refusal = APIRefusal(answer)
          if refusal.status == 404, refusal.reason == "NotFound" { return .success(.notFound) }
          if refusal.status == 409 { return .success(.conflict(refusal.message)) }
          return .failure(refusal.obstacle(at: call.place))
        })
    }
  }

  private func send(
    _ method: HTTPMethod, _ target: String, _ body: some Encodable, contentType: String = "application/json",
    _ completion: @escaping @Sendable (APICall, Result<APIAnswer, Obstacle>) -> Void
  ) {
    let call = APICall(method: method, target: target, contentType: contentType)
    transport.send(call, body) { completion(call, $0) }
  }

  // MARK: Watch

  func watch(_ name: String, wake: @escaping @Sendable (WakeCause) -> Void) { watch.start(name, wake) }

  func stopWatching() { watch.stop() }
}

enum PercentEncoding {
  /// One value in a query.
  static func query(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
      }
    }
  }
}
