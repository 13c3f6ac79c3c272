import NodePasswordCore
import NodePasswordDaemon

/// Nodes and leases, read-only.
struct KubernetesNodes: Nodes {
  /// Nodes of one page: whole ones, of some ten thousand bytes each, since addresses are not metadata.
  private static let pageSize = 100
  /// Bytes of one page; a Node that lists many images is large.
  private static let pageLimit = 32 << 20
  private static let collection = "/api/v1/nodes"

  let transport: APITransport

  func get(_ name: NodeName, _ completion: @escaping Completion<Observed<NodeFacts>>) {
    let call = APICall(target: "\(Self.collection)/\(name)")
    transport.send(call) { answer in
      completion(APIReading.optional(answer, APIObjects.Node.self, call).map { $0.map(Self.facts) })
    }
  }

  func lease(_ name: NodeName, _ completion: @escaping Completion<Observed<String>>) {
    let call = APICall(target: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/\(name)")
    transport.send(call) { answer in
      completion(
        APIReading.optional(answer, APIObjects.Bare.self, call).map { observed in
          observed.map { $0.metadata.resourceVersion ?? "" }
        })
    }
  }

  /// Every list tells it; leases are what is written most.
  func revision(_ completion: @escaping Completion<UInt64>) {
    let call = APICall(target: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=1")
    transport.send(call) { answer in
      completion(
        answer.flatMap { answer in
          guard answer.status == 200 else { return .failure(APIRefusal(answer).obstacle(at: call.place)) }
          return APIObjects.decode(APIObjects.List.self, answer, at: call.place).flatMap { list in
            guard let revision = list.metadata.resourceVersion.flatMap({ UInt64($0) }) else {
              return .failure(Obstacle(.malformed, at: call.place, "the list has no resourceVersion that is a number"))
            }
            return .success(revision)
          }
        })
    }
  }

  private static func facts(_ node: APIObjects.Node) -> NodeFacts {
    let ready = node.status?.conditions?.first { $0.type == "Ready" }
    var facts = NodeFacts(
      uid: node.metadata.uid ?? "", resourceVersion: node.metadata.resourceVersion ?? "",
      isBeingDeleted: node.metadata.deletionTimestamp != nil, machineID: node.status?.nodeInfo?.machineID ?? "",
      bootID: node.status?.nodeInfo?.bootID ?? "",
      internalAddresses: (node.status?.addresses ?? []).filter { $0.type == "InternalIP" }.map(\.address),
      kubeletVersion: node.status?.nodeInfo?.kubeletVersion ?? "", labels: node.metadata.labels ?? [:],
      heartbeat: ready?.lastHeartbeatTime ?? "")
    facts.approval = ApprovalNote.read(node.metadata.annotations, of: node.metadata.name ?? "")
    return facts
  }

  // MARK: Holders of an address

  func holders(of address: String, _ completion: @escaping Completion<[NodeName]>) {
    let list = APIList<[NodeName]>(
      path: Self.collection, pageSize: Self.pageSize, bodyLimit: Self.pageLimit, empty: []
    ) { page, call, found in
      guard let page = NodeAddressPage(page.body, holding: address) else {
        return .failure(Obstacle(.malformed, at: call.place, "the answer is not the list that was asked for"))
      }
      found += page.holders
      return .success(page.list.continuation)
    }
    transport.read(list, completion)
  }
}

/// One page of Nodes, of which the names count that hold an address.
private struct NodeAddressPage {
  var list = Metadata()
  var holders: [NodeName] = []
  private var kind = ""
  private var hasItems = false

  /// - Returns: `nil` where this is no page of a list of Nodes.
  init?(_ document: [UInt8], holding address: String) {
    let page = JSONScanner.read(document) { (scanner) throws(JSONScanner.Defect) in
      var page = NodeAddressPage()
      try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
        switch key {
        case "kind": page.kind = try scanner.text()
        case "metadata": page.list = try Metadata(&scanner)
        case "items":
          page.hasItems = true
          try scanner.array { (scanner) throws(JSONScanner.Defect) in
            if let holder = try Self.holder(of: address, &scanner) { page.holders.append(holder) }
          }
        default: try scanner.skip()
        }
      }
      return page
    }
    guard let page, page.hasItems, page.kind == "NodeList", !page.list.resourceVersion.isEmpty else { return nil }
    self = page
  }

  private init() {}

  /// The Node's name, if it holds the address.
  private static func holder(
    of address: String, _ scanner: inout JSONScanner
  ) throws(JSONScanner.Defect) -> NodeName? {
    var name = ""
    var isHolder = false
    try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
      switch key {
      case "metadata": name = try Metadata(&scanner).name
      case "status":
        try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
          guard "addresses" ~= key else { return try scanner.skip() }
          try scanner.array { (scanner) throws(JSONScanner.Defect) in
            if try Self.internalAddress(&scanner) == address { isHolder = true }
          }
        }
      default: try scanner.skip()
      }
    }
    guard let node = NodeName(name) else { throw JSONScanner.Defect() }
    return isHolder ? node : nil
  }

  private static func internalAddress(_ scanner: inout JSONScanner) throws(JSONScanner.Defect) -> String? {
    var type = ""
    var address = ""
    try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
      switch key {
      case "type": type = try scanner.text()
      case "address": address = try scanner.text()
      default: try scanner.skip()
      }
    }
    return type == "InternalIP" ? address : nil
  }
}
