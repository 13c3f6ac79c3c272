import ArgumentParser
import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

enum LogTarget: String, CaseIterable, ExpressibleByArgument {
  case journal
  case stderr
  /// The journal where there is one, and standard error.
  case both
}

/// The real ports, put together once; what each verb does with them is its own.
struct Wiring {
  let paths: Paths
  let scheduler = DispatchScheduler()
  let services = SystemdServiceManager()
  let journal: any Journal
  let cluster: KubernetesAPI
  let changes: InotifyWatch
  let escrow: FileEscrowStore
  let ports: Ports

  /// - Parameter agentJournal: `nil` for verbs, which keep no position and write nothing (law L9).
  init(
    root: String, kubeconfig: String?, log: LogTarget, agentJournal: SystemdAgentJournal? = nil,
    exit: @escaping @Sendable (Int32) -> Void = { _ in }
  ) {
    let paths = Paths(root: root)
    let entropy = KernelEntropy()
    self.paths = paths
    journal =
      switch log {
      case .journal: SystemdJournal()
      case .stderr: TextJournal(descriptor: 2)
      case .both: SystemdJournal(echo: TextJournal(descriptor: 2))
      }
    cluster = KubernetesAPI(
      kubeconfig: { kubeconfig ?? Self.serverKubeconfig(paths) }, entropy: entropy,
      absolute: { paths.absolute($0) })
    changes = InotifyWatch(paths: paths)
    escrow = FileEscrowStore(paths: paths, entropy: entropy)
    ports = Ports(
      scheduler: scheduler, entropy: entropy, machine: LinuxMachine(paths: paths),
      passwordFiles: LinuxPasswordFiles(paths: paths, entropy: entropy),
      escrow: escrow, acts: FileActLog(paths: paths, entropy: entropy),
      changes: changes, secrets: cluster.secrets, nodes: cluster.nodes, clusterWatch: cluster.clusterWatch,
      ledger: cluster.ledger, marks: FileLedgerMarks(paths: paths, entropy: entropy), events: cluster.events,
      reserve: FileHashReserve(paths: paths, entropy: entropy), fleetKey: CredentialFleetKeys(), access: cluster.access,
      approvals: cluster.approvals, derivation: ScryptDerivation(),
      policies: FilePolicySource(paths: paths, entropy: entropy), journal: journal,
      status: FileStatusFile(paths: paths, entropy: entropy), services: services,
      agentJournal: agentJournal ?? SystemdAgentJournal(paths: paths, entropy: entropy, keepsPosition: false),
      units: SystemdUnits(paths: paths),
      alerts: SystemdAlerts(paths: paths, entropy: entropy), credential: CredentialDirectory(),
      agentConfiguration: NodeIDDropIn(paths: paths, entropy: entropy), supervisor: SupervisorClient(paths: paths),
      serverCredentials: LinuxServerCredentials(paths: paths),
      legacyPasswords: LinuxLegacyPasswords(paths: paths, entropy: entropy),
      manifests: LinuxManifests(paths: paths, entropy: entropy),
      manifestBaseline: FileManifestBaseline(paths: paths, entropy: entropy),
      exit: exit)
  }

  /// The kubeconfig that K3s or RKE2 writes on a server for its administrator (k3s-facts 5.3).
  private static func serverKubeconfig(_ paths: Paths) -> String {
    let candidates = Distribution.allCases.map { paths.absolute($0.adminKubeconfig) }
    return candidates.first(where: Paths.exists) ?? candidates[0]
  }

  func shutDown() { cluster.shutDown() }
}
