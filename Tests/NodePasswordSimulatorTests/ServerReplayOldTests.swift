import Foundation
import NodePasswordCore
import NodePasswordSimulator
import Testing

/// The model against what a running K3s v1.21.3 answered.
@Suite struct ServerReplayOldTests {
  /// Recordings that the model does not claim to answer.
  private static let notServed: Set = ["addon-list"]

  private static let opaque = "Opaque"
  private static let rec1 = "rec-1.node-password.k3s"

  private static let steps: [Step] = [
    Step("version", concession: ServerConcession.version),
    Step("secret-create"),
    Step("secret-create-exists"),
    Step("secret-create-typed"),
    Step("secret-get"),
    Step("secret-get-metadata-only"),
    Step("secret-get-missing"),
    Step("secret-list-typed"),
    Step("secret-list-metadata-page-1"),
    Step("secret-list-metadata-page-2"),
    Step("secret-list-bad-continue"),
    Step("secret-update-immutable-data"),
    Step("secret-annotate"),
    Step("secret-delete-wrong-uid"),
    Step("secret-delete-stale-version"),
    Step("secret-delete-dry-run"),
    Step("secret-delete"),
    Step("secret-delete-dry-run-in-query", before: { try $0.makeSecret(rec1, type: opaque) }),
    Step("secret-get-after-dry-run-in-query"),
    Step("secret-delete-missing"),
    Step("configmap-create"),
    Step("configmap-update"),
    Step("configmap-update-stale"),
    Step("configmap-update-without-version"),
    Step("node-create"),
    Step("node-status-patch", concession: ServerConcession.nodeOfRunningCluster),
    Step("node-get", concession: ServerConcession.nodeOfRunningCluster),
    Step("node-get-missing"),
    Step(
      "node-list-metadata", before: { _ = $0.model.tick(at: $0.time) },
      concession: ServerConcession.nodeOfRunningCluster),
    Step("node-annotate-approve", concession: ServerConcession.nodeOfRunningCluster),
    Step("lease-create", before: { try $0.makeLease("rec-3") }),
    Step("lease-get"),
    Step("event-create"),
    Step("access-review"),
    Step("unauthenticated", as: .nobody),
    Step("forbidden-as-node"),
    Step("node-delete", concession: ServerConcession.nodeOfRunningCluster),
    Step(
      "watch-secrets-metadata", before: { _ = $0.model.tick(at: $0.time) },
      edit: { ServerConcession.watchFromNow(&$0) },
      meanwhile: { try $0.makeLabelAndRemove(rec1, type: opaque) }),
    Step("watch-secrets-expired", before: { $0.model.compact(keeping: 1) }),
  ]

  @Test func everyRecordingIsDecidedAbout() throws {
    let names = Set(try Recordings("kubernetes-v1.21.3").exchanges.keys)
    #expect(names == Self.notServed.union(Self.steps.map(\.name)))
  }

  @Test func answersAreThoseOfTheRecording() throws {
    var replay = try Replay("kubernetes-v1.21.3", .v1_21_3)
    for step in Self.steps { try replay.run(step) }
  }
}

/// Where the model answers on purpose with less than a real server did.
enum ServerConcession {
  /// Where the binary was built and by what.
  static func version(_ value: JSONValue) -> JSONValue {
    guard var members = value.members else { return value }
    for name in ["gitVersion", "gitCommit", "buildDate", "goVersion"] where members[name] != nil {
      members[name] = "*"
    }
    return .object(members)
  }

  /// A cluster's other controllers took the taint off and gave the Node addresses for pods, at moments of their own.
  static func nodeOfRunningCluster(_ value: JSONValue) -> JSONValue {
    guard var metadata = value["metadata"] else { return value }
    var node = value
    if let items = value["items"]?.elements { node["items"] = .array(items.map(nodeOfRunningCluster)) }
    if metadata["annotations"]?["node.alpha.kubernetes.io/ttl"] != nil {
      var annotations = metadata["annotations"] ?? [:]
      annotations["node.alpha.kubernetes.io/ttl"] = nil
      metadata["annotations"] = annotations.members?.isEmpty == true ? nil : annotations
    }
    if metadata["deletionTimestamp"] == nil { metadata["finalizers"] = nil }
    node["metadata"] = metadata
    node["spec"] = nil
    return node
  }

  /// Which role allowed it.
  static func review(_ value: JSONValue) -> JSONValue {
    var value = value
    var status = value["status"] ?? [:]
    status["reason"] = nil
    value["status"] = status
    return value
  }

  /// The end of a generated name is chance.
  static func generatedName(_ value: JSONValue) -> JSONValue {
    let text = value.serialized.replacingOccurrences(
      of: "(x[.]node-password[.]k3s)[a-z0-9]{5}", with: "$1*", options: .regularExpression)
    return (try? JSONValue(parsing: Array(text.utf8))) ?? value
  }

  /// The recorded version is the recorded server's.
  static func watchFromNow(_ request: inout JSONValue) {
    let path = request["path"]?.text ?? ""
    request["path"] = .string(
      path.replacing(/resourceVersion=\d+/, with: { _ in "resourceVersion=(now)" }))
  }

  /// A version that the restarted server has forgotten.
  static func watchFromFirst(_ request: inout JSONValue) {
    let path = request["path"]?.text ?? ""
    request["path"] = .string(path.replacing(/resourceVersion=\d+/, with: { _ in "resourceVersion=1" }))
  }
}
