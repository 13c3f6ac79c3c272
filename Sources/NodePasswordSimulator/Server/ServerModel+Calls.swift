import NodePasswordCore
import NodePasswordDaemon

/// What the daemon's ports and an agent ask of a server, in Swift types. Each call is a request through `handle`, so
/// that a simulation and the HTTPS front cannot disagree. The caller is an administrator unless it says otherwise.
extension ServerModel {
  package mutating func readSecret(
    _ name: String, as credentials: Credentials = .admin, at time: WallTime
  ) -> Observed<SecretReading> {
    let response = handle(APIRequest("GET", Self.secretPath(name), credentials: credentials), at: time)
    return Self.observed(response, "GET \(Self.secretPath(name))") { object in
      SecretReading(
        identity: Self.identity(object), type: object["type"]?.text ?? "", isImmutable: object["immutable"] == true,
        isBeingDeleted: object.at("metadata", "deletionTimestamp") != nil,
        hash: object.at("data", "hash")?.text.flatMap { try? Base64.decode($0) }.map { SecretBytes(copying: $0) })
    }
  }

  package mutating func createSecret(
    _ draft: SecretDraft, dryRun: Bool, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<SecretCreation, Obstacle> {
    let path = Self.secretsPath + (dryRun ? "?dryRun=All" : "")
    var metadata: JSONValue = ["name": .string(draft.name)]
    if let owner = draft.owner {
      metadata["ownerReferences"] = [
        ["apiVersion": "v1", "kind": "Node", "name": .string(owner.node.rawValue), "uid": .string(owner.uid)]
      ]
    }
    let body: JSONValue = [
      "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": .string(draft.type), "immutable": true,
      "data": ["hash": .string(draft.hash.withBytes { Base64.encode($0) })],
    ]
    let response = handle(APIRequest("POST", path, body: body.bytes, credentials: credentials), at: time)
    switch response.status {
    case 201: return .success(.created(Self.identity(response.json ?? [:])))
    case 409: return .success(.alreadyExists)
    default: return .failure(Self.obstacle(response, "POST \(path)"))
    }
  }

  package mutating func deleteSecret(
    _ identity: SecretIdentity, dryRun: Bool, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<SecretDeletion, Obstacle> {
    let path = Self.secretPath(identity.name)
    var options: JSONValue = [
      "apiVersion": "v1", "kind": "DeleteOptions",
      "preconditions": ["uid": .string(identity.uid), "resourceVersion": .string(identity.resourceVersion)],
    ]
    if dryRun { options["dryRun"] = ["All"] }
    let response = handle(APIRequest("DELETE", path, body: options.bytes, credentials: credentials), at: time)
    switch response.status {
    case 200: return .success(.deleted)
    case 404: return .success(.notFound)
    case 409: return .success(.conflict(response.message))
    default: return .failure(Self.obstacle(response, "DELETE \(path)"))
    }
  }

  package mutating func sealSecret(
    _ identity: SecretIdentity, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<SecretSeal, Obstacle> {
    let path = Self.secretPath(identity.name)
    let patch: JSONValue = [
      "metadata": ["uid": .string(identity.uid), "resourceVersion": .string(identity.resourceVersion)],
      "immutable": true,
    ]
    let response = handle(
      APIRequest(
        "PATCH", path, headers: ["content-type": "application/merge-patch+json"], body: patch.bytes,
        credentials: credentials), at: time)
    switch response.status {
    case 200: return .success(.sealed(Self.identity(response.json ?? [:])))
    case 404: return .success(.notFound)
    case 409: return .success(.conflict(response.message))
    default: return .failure(Self.obstacle(response, "PATCH \(path)"))
    }
  }

  /// All node-password Secrets by name, in pages.
  package mutating func listSecrets(
    pageSize: Int, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<[SecretIdentity], Obstacle> {
    var identities: [SecretIdentity] = []
    var continuation = ""
    repeat {
      let path = "\(Self.secretsPath)?limit=\(pageSize)&continue=\(PercentEncoding.encode(continuation))"
      let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
      let response = handle(
        APIRequest("GET", path, headers: ["accept": accept], credentials: credentials), at: time)
      guard response.status == 200, let list = response.json else {
        return .failure(Self.obstacle(response, "GET \(Self.secretsPath)"))
      }
      let suffix = ".node-password.\(distribution.rawValue)"
      identities += (list["items"]?.elements ?? []).map(Self.identity).filter { $0.name.hasSuffix(suffix) }
      continuation = list.at("metadata", "continue")?.text ?? ""
    } while !continuation.isEmpty
    return .success(identities)
  }

  package mutating func readNode(
    _ name: NodeName, as credentials: Credentials = .admin, at time: WallTime
  ) -> Observed<NodeFacts> {
    let path = "/api/v1/nodes/\(name)"
    let response = handle(APIRequest("GET", path, credentials: credentials), at: time)
    return Self.observed(response, "GET \(path)") { node in
      let information = node.at("status", "nodeInfo")
      let ready = node.at("status", "conditions")?.elements?.first { $0["type"] == "Ready" }
      var facts = NodeFacts(
        uid: node.at("metadata", "uid")?.text ?? "",
        resourceVersion: node.at("metadata", "resourceVersion")?.text ?? "",
        isBeingDeleted: node.at("metadata", "deletionTimestamp") != nil,
        machineID: information?["machineID"]?.text ?? "", bootID: information?["bootID"]?.text ?? "",
        internalAddresses: Self.internalAddresses(node),
        kubeletVersion: information?["kubeletVersion"]?.text ?? "",
        labels: (node.at("metadata", "labels")?.members ?? [:]).compactMapValues(\.text),
        heartbeat: ready?["lastHeartbeatTime"]?.text ?? "")
      facts.approval = ApprovalNote.read(
        node.at("metadata", "annotations")?.members?.compactMapValues(\.text), of: name.rawValue)
      return facts
    }
  }

  private static func internalAddresses(_ node: JSONValue) -> [String] {
    (node.at("status", "addresses")?.elements ?? []).filter { $0["type"] == "InternalIP" }
      .compactMap { $0["address"]?.text }
  }

  /// The Nodes that hold this address as an `InternalIP`, from a list in pages.
  package mutating func listHolders(
    of address: String, pageSize: Int = 100, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<[NodeName], Obstacle> {
    var holders: [NodeName] = []
    var continuation = ""
    repeat {
      let path = "/api/v1/nodes?limit=\(pageSize)&continue=\(PercentEncoding.encode(continuation))"
      let response = handle(APIRequest("GET", path, credentials: credentials), at: time)
      guard response.status == 200, let list = response.json else {
        return .failure(Self.obstacle(response, "GET /api/v1/nodes"))
      }
      let found = (list["items"]?.elements ?? []).filter { Self.internalAddresses($0).contains(address) }
      holders += found.compactMap { $0.at("metadata", "name")?.text.flatMap { NodeName($0) } }
      continuation = list.at("metadata", "continue")?.text ?? ""
    } while !continuation.isEmpty
    return .success(holders)
  }

  /// The resourceVersion of the node's lease.
  package mutating func readLease(
    _ name: NodeName, as credentials: Credentials = .admin, at time: WallTime
  ) -> Observed<String> {
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/\(name)"
    let response = handle(APIRequest("GET", path, credentials: credentials), at: time)
    return Self.observed(response, "GET \(path)") { $0.at("metadata", "resourceVersion")?.text ?? "" }
  }

  package mutating func reviewAccess(
    to right: AccessRight, as credentials: Credentials = .admin, at time: WallTime
  ) -> Result<AccessVerdict, Obstacle> {
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    var attributes: JSONValue = ["verb": .string(right.verb.rawValue), "resource": .string(right.resource)]
    if !right.group.isEmpty { attributes["group"] = .string(right.group) }
    if let namespace = right.namespace { attributes["namespace"] = .string(namespace) }
    if let name = right.name { attributes["name"] = .string(name) }
    let body: JSONValue = [
      "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
      "spec": ["resourceAttributes": attributes],
    ]
    let response = handle(APIRequest("POST", path, body: body.bytes, credentials: credentials), at: time)
    guard response.status == 201, let status = response.json?["status"] else {
      return .failure(Self.obstacle(response, "POST \(path)"))
    }
    return .success(status["allowed"] == true ? .allowed : .denied(status["reason"]?.text))
  }

  /// An agent asks for one of its kubelet certificates, with the join token unless it says otherwise.
  package mutating func register(
    _ node: String, password: String, addresses: [String] = [], kind: CertificateGrant.Kind = .serving,
    as credentials: Credentials? = nil, peer: String = "127.0.0.1:40000", at time: WallTime
  ) -> APIResponse {
    let file = kind == .serving ? "serving-kubelet.crt" : "client-kubelet.crt"
    let token = Credentials(basic: .init(user: "node", password: configuration.tokenPassword))
    return handle(
      APIRequest(
        version.takesCertificateRequests ? "POST" : "GET", "\(distribution.supervisorPrefix)/\(file)",
        headers: [
          distribution.header("Name"): node, distribution.header("Password"): password,
          distribution.header("IP"): addresses.joined(separator: ","),
        ],
        credentials: credentials ?? token, peer: peer), at: time)
  }

  /// A kubelet's heartbeat: makes its Node and its lease where they are missing, fills in the status, renews the lease.
  package mutating func heartbeat(
    _ name: NodeName, machineID: String, bootID: String, addresses: [String], at time: WallTime
  ) -> Result<Void, Obstacle> {
    let credentials = Credentials(certificate: .node(name))
    // A status that has not changed is told every five minutes; the lease is renewed each time.
    let told = WallTime(seconds: time.seconds / 300 * 300)
    let status: JSONValue = [
      "addresses": .array(addresses.map { ["type": "InternalIP", "address": .string($0)] }),
      "nodeInfo": [
        "machineID": .string(machineID), "bootID": .string(bootID),
        "kubeletVersion": .string(version.name(distribution)),
      ],
      "conditions": [
        [
          "type": "Ready", "status": "True", "reason": "KubeletReady",
          "lastHeartbeatTime": .string(Timestamp.metadata(told)),
        ]
      ],
    ]
    let lease: JSONValue = [
      "metadata": ["name": .string(name.rawValue)],
      "spec": [
        "holderIdentity": .string(name.rawValue), "leaseDurationSeconds": 40,
        "renewTime": .string(Timestamp.micro(time)),
      ],
    ]
    let merge = ["content-type": "application/merge-patch+json"]
    let node: JSONValue = ["metadata": ["name": .string(name.rawValue)]]
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    let patch: JSONValue = ["status": status]
    for (make, change, body, whole) in [
      ("/api/v1/nodes", "/api/v1/nodes/\(name)/status", patch, node),
      (leases, "\(leases)/\(name)", lease, lease),
    ] {
      let request = APIRequest("PATCH", change, headers: merge, body: body.bytes, credentials: credentials)
      var response = handle(request, at: time)
      if response.status == 404 {
        response = handle(APIRequest("POST", make, body: whole.bytes, credentials: credentials), at: time)
        if response.status == 201 { response = handle(request, at: time) }
      }
      guard response.status == 200 else { return .failure(Self.obstacle(response, "PATCH \(change)")) }
    }
    return .success(())
  }

  // MARK: Translation

  private static let secretsPath = "/api/v1/namespaces/\(Distribution.secretNamespace)/secrets"

  private static func secretPath(_ name: String) -> String { "\(secretsPath)/\(name)" }

  private static func identity(_ object: JSONValue) -> SecretIdentity {
    SecretIdentity(
      name: object.at("metadata", "name")?.text ?? "", uid: object.at("metadata", "uid")?.text ?? "",
      resourceVersion: object.at("metadata", "resourceVersion")?.text ?? "")
  }

  static func observed<Value>(
    _ response: APIResponse, _ place: String, _ read: (JSONValue) -> Value
  ) -> Observed<Value> {
    switch (response.status, response.json) {
    case (200, let object?): .present(read(object))
    case (404, _): .absent
    default: .unknown(obstacle(response, place))
    }
  }

  static func obstacle(_ response: APIResponse, _ place: String) -> Obstacle {
    let kind: Obstacle.Kind =
      switch response.status {
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 409: .conflict
      case 429, 503, 504: .throttled
      default: .malformed
      }
    return Obstacle(kind, at: place, "\(response.status) \(response.message)")
  }
}
