/// Every effect the daemon can have or feel, in one value. One real set, one simulated.
package struct Ports: Sendable {
  package var scheduler: any Scheduler
  package var entropy: any Entropy
  package var machine: any Machine
  package var passwordFiles: any PasswordFiles
  package var escrow: any EscrowStore
  package var acts: any ActLog
  package var changes: any ChangeWatch
  package var secrets: any NodePasswordSecrets
  package var nodes: any Nodes
  package var clusterWatch: any ClusterWatch
  package var ledger: any LedgerStore
  package var marks: any LedgerMarks
  package var events: any NodeEvents
  package var reserve: any HashReserve
  package var fleetKey: any FleetKeys
  package var access: any AccessReviews
  package var approvals: any ApprovalGuard
  package var derivation: any KeyDerivation
  package var policies: any PolicySource
  package var journal: any Journal
  package var status: any StatusFile
  package var services: any ServiceManager
  package var agentJournal: any AgentJournal
  package var units: any Units
  package var alerts: any AlertUnits
  package var credential: any ProvisionedCredential
  package var agentConfiguration: any AgentConfiguration
  package var supervisor: any Supervisor
  package var serverCredentials: any ServerCredentials
  package var legacyPasswords: any LegacyPasswords
  package var manifests: any Manifests
  package var manifestBaseline: any ManifestBaseline
  /// Ends the process with this status, once the daemon has nothing more to do.
  package var exit: @Sendable (Int32) -> Void

  package init(
    scheduler: any Scheduler, entropy: any Entropy, machine: any Machine, passwordFiles: any PasswordFiles,
    escrow: any EscrowStore, acts: any ActLog, changes: any ChangeWatch, secrets: any NodePasswordSecrets,
    nodes: any Nodes, clusterWatch: any ClusterWatch, ledger: any LedgerStore, marks: any LedgerMarks,
    events: any NodeEvents, reserve: any HashReserve, fleetKey: any FleetKeys, access: any AccessReviews,
    approvals: any ApprovalGuard, derivation: any KeyDerivation, policies: any PolicySource,
    journal: any Journal, status: any StatusFile, services: any ServiceManager, agentJournal: any AgentJournal,
    units: any Units,
    alerts: any AlertUnits, credential: any ProvisionedCredential, agentConfiguration: any AgentConfiguration,
    supervisor: any Supervisor, serverCredentials: any ServerCredentials, legacyPasswords: any LegacyPasswords,
    manifests: any Manifests, manifestBaseline: any ManifestBaseline,
    exit: @escaping @Sendable (Int32) -> Void
  ) {
    self.scheduler = scheduler
    self.entropy = entropy
    self.machine = machine
    self.passwordFiles = passwordFiles
    self.escrow = escrow
    self.acts = acts
    self.changes = changes
    self.secrets = secrets
    self.nodes = nodes
    self.clusterWatch = clusterWatch
    self.ledger = ledger
    self.marks = marks
    self.events = events
    self.reserve = reserve
    self.fleetKey = fleetKey
    self.access = access
    self.approvals = approvals
    self.derivation = derivation
    self.policies = policies
    self.journal = journal
    self.status = status
    self.services = services
    self.agentJournal = agentJournal
    self.units = units
    self.alerts = alerts
    self.credential = credential
    self.agentConfiguration = agentConfiguration
    self.supervisor = supervisor
    self.serverCredentials = serverCredentials
    self.legacyPasswords = legacyPasswords
    self.manifests = manifests
    self.manifestBaseline = manifestBaseline
    self.exit = exit
  }
}
