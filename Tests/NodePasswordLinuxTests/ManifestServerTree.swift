import Foundation
import NodePasswordCore

/// A server's machine below a private root, with the manifests that its version leaves there (k3s-facts 4, 3.2).
struct ManifestServerTree: CustomStringConvertible, Sendable {
  var name: String
  var distribution: Distribution
  var files: [String]

  private static let metrics = [
    "aggregated-metrics-reader", "auth-delegator", "auth-reader", "metrics-apiservice", "metrics-server-deployment",
    "metrics-server-service", "resource-reader",
  ].map { "metrics-server/\($0).yaml" }
  private static let classic =
    ["ccm.yaml", "coredns.yaml", "local-storage.yaml", "rolebindings.yaml", "traefik.yaml"] + metrics

  static let all = [
    ManifestServerTree(name: "v1.18.20+k3s1", distribution: .k3s, files: classic),
    ManifestServerTree(name: "v1.21.3+k3s1", distribution: .k3s, files: classic),
    ManifestServerTree(name: "v1.34.2+k3s1", distribution: .k3s, files: classic + ["runtimes.yaml"]),
    ManifestServerTree(
      name: "v1.34.2+rke2r1", distribution: .rke2,
      files: ["rke2-canal.yaml", "rke2-coredns.yaml", "rke2-ingress-nginx.yaml", "rke2-metrics-server.yaml"]),
  ]

  var description: String { name }

  var place: String { distribution.defaultDataDirectory + "/server/manifests" }

  /// One that comes with the product, and a folder's.
  var packaged: String { distribution == .k3s ? "coredns.yaml" : "rke2-coredns.yaml" }

  func make() throws -> PrivateRoot {
    let root = try PrivateRoot()
    let data = distribution.defaultDataDirectory
    for directory in [
      "/etc/nodepassd", "/var/lib/nodepassd", "/run/nodepassd", "/sys/class/dmi/id", "/proc/sys/kernel/random",
      "/etc/rancher/node", data + "/agent", data + "/server/cred", place,
    ] { try root.make(directory) }
    try root.write("node-name: edge-1\n", distribution.configurationDirectory + "/config.yaml")
    try root.write("5e1f0c3a7b9d4e6f8a2c4d6e8f0a1b2c\n", "/etc/machine-id", mode: 0o644)
    try root.write("0b0c7c1e-6d52-4a55-9d0e-6b1f4a2d9c11\n", "/proc/sys/kernel/random/boot_id", mode: 0o644)
    try root.write("4c4c4544-0042-3510-8054-b4c04f4d3132\n", "/sys/class/dmi/id/product_uuid", mode: 0o400)
    try root.write("9f0c9f0c9f0c9f0c9f0c9f0c9f0c9f0c\n", "/etc/rancher/node/password")
    for file in files + ["mine.yaml"] { try root.write("# \(file) of \(name)\nkind: List\n", place + "/" + file) }
    chmod(root.path + place, 0o700)
    return root
  }
}
