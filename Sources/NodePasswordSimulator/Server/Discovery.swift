/// The paths by which clients find out what a server has.
extension ServerModel {
  /// `nil` where the path is none of discovery.
  func discover(_ request: APIRequest) -> APIResponse? {
    switch request.path {
    case "/version": .json(200, versionInformation)
    case "/healthz", "/livez", "/readyz": health(request)
    case "/api":
      .json(
        200,
        [
          "kind": "APIVersions", "versions": ["v1"],
          "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"]],
        ])
    case "/apis":
      .json(
        200,
        [
          "kind": "APIGroupList", "apiVersion": "v1",
          "groups": .array(
            ["authorization.k8s.io", "coordination.k8s.io", "events.k8s.io"].map { group in
              let version: JSONValue = ["groupVersion": .string("\(group)/v1"), "version": "v1"]
              return ["name": .string(group), "versions": [version], "preferredVersion": version]
            }),
        ])
    case "/api/v1": resources("v1", ResourceKind.allCases.filter { $0.group.isEmpty })
    case "/apis/coordination.k8s.io/v1": resources("coordination.k8s.io/v1", [.leases])
    case "/apis/events.k8s.io/v1": resources("events.k8s.io/v1", [.events])
    case "/apis/authorization.k8s.io/v1":
      resourceList(
        "authorization.k8s.io/v1",
        [
          [
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview", "namespaced": false,
            "kind": "SelfSubjectAccessReview", "verbs": ["create"],
          ]
        ])
    default: nil
    }
  }

  private func health(_ request: APIRequest) -> APIResponse {
    let isVerbose = request.query.contains { $0.name == "verbose" }
    let check = request.path.dropFirst()
    return APIResponse(
      status: 200, headers: Self.plainText, body: .text(isVerbose ? "[+]ping ok\n\(check) check passed\n" : "ok"))
  }

  private var versionInformation: JSONValue {
    var information: JSONValue = [
      "major": "1", "minor": .string(String(version.minor)), "gitVersion": .string(version.name(distribution)),
      "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
      "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.24.9", "compiler": "gc", "platform": "linux/amd64",
    ]
    if version.minor >= 34 {
      information["emulationMajor"] = "1"
      information["emulationMinor"] = information["minor"]
      information["minCompatibilityMajor"] = "1"
      information["minCompatibilityMinor"] = .string(String(version.minor - 1))
    }
    return information
  }

  private func resources(_ groupVersion: String, _ kinds: [ResourceKind]) -> APIResponse {
    var entries: [JSONValue] = []
    for kind in kinds {
      var entry: JSONValue = [
        "name": .string(kind.rawValue), "singularName": .string(kind.kind.lowercased()),
        "namespaced": .boolean(kind.isNamespaced), "kind": .string(kind.kind),
        "verbs": [
          "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
        ],
      ]
      if !kind.shortNames.isEmpty { entry["shortNames"] = .array(kind.shortNames.map { .string($0) }) }
      entries.append(entry)
      if kind == .nodes || kind == .namespaces {
        entries.append([
          "name": .string("\(kind.rawValue)/status"), "singularName": "",
          "namespaced": .boolean(kind.isNamespaced), "kind": .string(kind.kind), "verbs": ["get", "patch", "update"],
        ])
      }
    }
    return resourceList(groupVersion, entries)
  }

  private func resourceList(_ groupVersion: String, _ entries: [JSONValue]) -> APIResponse {
    .json(
      200,
      [
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(groupVersion),
        "resources": .array(entries),
      ])
  }
}
