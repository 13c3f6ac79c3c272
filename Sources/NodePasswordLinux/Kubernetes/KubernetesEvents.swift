import FoundationEssentials
import NodePasswordCore
import NodePasswordDaemon

/// Events on Nodes through `events.k8s.io/v1` (observed-k3s 12).
struct KubernetesEvents: NodeEvents {
  private static let namespace = "default"
  private static let controller = "nodepassd.io/nodepassd"
  /// Bytes of a name, and of the short words beside it.
  private static let nameLimit = 253
  private static let wordLimit = 128

  private struct Event: Encodable {
    struct Metadata: Encodable {
      var name: String
      var namespace: String
    }

    struct Regarding: Encodable {
      var apiVersion = "v1"
      var kind = "Node"
      var name: String
      var uid: String?
    }

    var apiVersion = "events.k8s.io/v1"
    var kind = "Event"
    var metadata: Metadata
    var eventTime: String
    var reportingController: String
    var reportingInstance: String
    var action: String
    var reason: String
    var regarding: Regarding
    var note: String
    var type: String
  }

  let transport: APITransport
  let entropy: any Entropy
  /// This server's name.
  let instance: String

  func post(_ event: NodeEvent, _ completion: @escaping Completion<Void>) {
    let call = APICall(method: .POST, target: "/apis/events.k8s.io/v1/namespaces/\(Self.namespace)/events")
    let body = Event(
      metadata: Event.Metadata(name: name(event), namespace: Self.namespace), eventTime: RFC3339.micro(event.at),
      reportingController: Self.controller, reportingInstance: NodeEvent.cut(instance, to: Self.wordLimit),
      action: NodeEvent.cut(event.action, to: Self.wordLimit), reason: NodeEvent.cut(event.reason, to: Self.wordLimit),
      regarding: Event.Regarding(name: event.node.rawValue, uid: event.nodeUID),
      note: NodeEvent.cut(event.note, to: NodeEvent.noteLimit), type: event.isWarning ? "Warning" : "Normal")
    transport.send(call, body) { answer in
      completion(
        answer.flatMap { answer in
          answer.status == 201 ? .success(()) : .failure(APIRefusal(answer).obstacle(at: call.place))
        })
    }
  }

  /// `<node>.<time and chance>`: two servers that say the same at once make two Events. A long name is cut, and ends as a
  /// name may end.
  private func name(_ event: NodeEvent) -> String {
    let chance = entropy.bytes(4).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }
    let unique = String(UInt64(bitPattern: event.at.nanoseconds), radix: 16) + chance.joined()
    var node = Substring(event.node.rawValue).prefix(Self.nameLimit - 1 - unique.count)
    while let last = node.last, last == "." || last == "-" { node.removeLast() }
    return "\(node).\(unique)"
  }
}
