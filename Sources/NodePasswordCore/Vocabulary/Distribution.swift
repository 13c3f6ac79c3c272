/// Which of the two products runs here. Every name that carries `k3s` or `rke2` comes from this value.
package enum Distribution: String, CaseIterable, Hashable, Sendable, Codable {
  case k3s
  case rke2

  /// `<node>.node-password.<product>` in `kube-system` (k3s-facts 2.2).
  package func secretName(of node: NodeName) -> String { "\(node.rawValue).node-password.\(rawValue)" }

  /// The Secret type since v1.31.14, v1.32.10, v1.33.6 and v1.34.2; `Opaque` before (k3s-facts 2.1).
  package var secretType: String { "\(rawValue).cattle.io/node-password" }

  /// Where the node-password Secrets live (k3s-facts 2.2).
  package static let secretNamespace = "kube-system"

  /// The data directory where no configuration says otherwise (k3s-facts 5.1).
  package var defaultDataDirectory: String { "/var/lib/rancher/\(rawValue)" }

  package var configurationDirectory: String { "/etc/rancher/\(rawValue)" }

  /// The administrator's kubeconfig that a server writes (k3s-facts 5.3).
  package var adminKubeconfig: String { "\(configurationDirectory)/\(rawValue).yaml" }

  /// The unit that runs the server (k3s-facts 5.2).
  package var serverUnit: String { self == .k3s ? "k3s.service" : "rke2-server.service" }

  /// The unit that runs the agent alone (k3s-facts 5.2).
  package var agentUnit: String { "\(rawValue)-agent.service" }

  /// `K3S_NODE_NAME`, `RKE2_CONFIG_FILE`, ... (k3s-facts 1.3, 5.1).
  package func environmentVariable(_ name: String) -> String { "\(rawValue.uppercased())_\(name)" }

  /// `K3s-Node-Password`, `Rke2-Node-Password`, ... as they appear on the wire (k3s-facts 1.6).
  package func header(_ name: String) -> String { (self == .k3s ? "K3s-Node-" : "Rke2-Node-") + name }

  /// `/v1-k3s/...`, `/v1-rke2/...` (k3s-facts 1.6).
  package var supervisorPrefix: String { "/v1-\(rawValue)" }
}
