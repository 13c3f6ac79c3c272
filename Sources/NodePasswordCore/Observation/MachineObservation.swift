/// What one look at this machine's files found. No field can hold a password.
package struct MachineObservation: Hashable, Sendable {
  /// Absent: no agent is installed here (any more), so nothing is drift.
  package var installation: Observed<Installation>
  package var passwordFile: Observed<PasswordFileFacts>
  /// `<data-dir>/agent/node-password.txt`, which K3s would put over the password at its next start (k3s-facts 1.2).
  package var strayFile: Observed<FileIdentity>
  package var escrow: Observed<EscrowFacts>
  /// The two certificates that the agent gets for its password. Absent: at least one of them is missing.
  package var certificates: Observed<CertificatePair>
  /// The agent's unit. Absent: the agent is not started by a unit.
  package var agent: Observed<AgentFacts>
  /// The password that a provisioner brought. Absent: none was brought, or the policy does not ask for it.
  package var provisioned: Observed<ProvisionedFacts>
  /// The joins that the server here refused. Absent: there is none here.
  package var joins: Observed<JoinEvidence>

  package init(
    installation: Observed<Installation>, passwordFile: Observed<PasswordFileFacts>, strayFile: Observed<FileIdentity>,
    escrow: Observed<EscrowFacts>, certificates: Observed<CertificatePair>, agent: Observed<AgentFacts> = .absent,
    provisioned: Observed<ProvisionedFacts> = .absent, joins: Observed<JoinEvidence> = .absent
  ) {
    self.installation = installation
    self.passwordFile = passwordFile
    self.strayFile = strayFile
    self.escrow = escrow
    self.certificates = certificates
    self.agent = agent
    self.provisioned = provisioned
    self.joins = joins
  }
}

/// What is installed on this machine and under which name.
package struct Installation: Hashable, Sendable {
  package var distribution: Distribution
  /// True where `server/cred` exists below the data directory.
  package var hasServerRole: Bool
  /// True where an agent runs or ran (unit, data directory or `/etc/rancher/node`).
  package var hasAgentRole: Bool
  /// The name the agent will present, as k3s-facts 1.3 derives it.
  package var nodeName: Observed<NodeName>
  /// The name in the certificate of the last join (k3s-facts 1.3).
  package var certificateName: Observed<NodeName>
  package var dataDirectory: String
  package var passwordPath: String
  package var identity: MachineIdentity
  /// The unit that starts the agent, or the server, e.g. `k3s-agent.service`; `nil` where there is none.
  package var unit: String?
  /// False where K3s writes its log to a file (`--log`) and not to the journal.
  package var logsToJournal: Observed<Bool>
  package var nodeID: NodeIDFacts
  /// Where drop-ins of K3s's configuration lie; unknown where the configuration is behind a URL.
  package var configurationDropIns: Observed<String>
  /// What the server is told to leave out (`--disable`), by the names that K3s knows it by.
  package var disabledAddons: Observed<[String]> = .present([])

  package init(
    distribution: Distribution, hasServerRole: Bool, hasAgentRole: Bool, nodeName: Observed<NodeName>,
    certificateName: Observed<NodeName>, dataDirectory: String, passwordPath: String, identity: MachineIdentity,
    unit: String? = nil, logsToJournal: Observed<Bool> = .present(true), nodeID: NodeIDFacts = NodeIDFacts(),
    configurationDropIns: Observed<String> = .absent
  ) {
    self.distribution = distribution
    self.hasServerRole = hasServerRole
    self.hasAgentRole = hasAgentRole
    self.nodeName = nodeName
    self.certificateName = certificateName
    self.dataDirectory = dataDirectory
    self.passwordPath = passwordPath
    self.identity = identity
    self.unit = unit
    self.logsToJournal = logsToJournal
    self.nodeID = nodeID
    self.configurationDropIns = configurationDropIns
  }

  /// The name this machine goes by: the certificate's where there is one, since it was accepted; else the configured
  /// one. A certificate that cannot be read (K3s writes it in place) leaves the name unknown (law L3).
  package var effectiveName: Observed<NodeName> {
    switch certificateName {
    case .present, .unknown: certificateName
    case .absent: nodeName
    }
  }
}

/// `with-node-id`, and the id that it hangs on the name (k3s-facts 1.3).
package struct NodeIDFacts: Hashable, Sendable {
  package var isWanted: Observed<Bool>
  /// The text of `/etc/rancher/node/id`. Absent: K3s makes one at its next start where it is wanted.
  package var id: Observed<String>
  /// A drop-in of ours that switches it on would not count: the command line or a later drop-in says otherwise.
  package var isOverridden: Observed<Bool>
  /// When that drop-in came to be; `nil`: there is none.
  package var dropInSince: WallTime?

  package init(
    isWanted: Observed<Bool> = .present(false), id: Observed<String> = .absent,
    isOverridden: Observed<Bool> = .present(false), dropInSince: WallTime? = nil
  ) {
    self.dropInSince = dropInSince
    self.isWanted = isWanted
    self.id = id
    self.isOverridden = isOverridden
  }
}

/// What makes this machine this machine, for telling a clone from the original and *here* from *elsewhere*.
package struct MachineIdentity: Hashable, Sendable {
  /// DMI product UUID or device-tree serial; the machine-id only where there is neither (design 7). With its kind, e.g. `dmi:…`.
  package var hardware: Observed<String>
  /// `/etc/machine-id`, as a Node reports it in `status.nodeInfo.machineID`.
  package var machineID: String
  /// `/proc/sys/kernel/random/boot_id`, as a Node reports it in `status.nodeInfo.bootID`.
  package var bootID: String
  /// The addresses of this machine's interfaces, without loopback unless there are no others.
  package var addresses: [String]

  package init(hardware: Observed<String>, machineID: String, bootID: String, addresses: [String]) {
    self.hardware = hardware
    self.machineID = machineID
    self.bootID = bootID
    self.addresses = addresses
  }
}

/// The password file as it lies there.
package struct PasswordFileFacts: Hashable, Sendable {
  package enum Shape: Hashable, Sendable {
    case wellFormed(Comparison)
    /// Nothing but white space: the server answers 400 for ever (k3s-facts 1.1).
    case empty
    case malformed(Malformation)
    /// Another's file, which we may not open: nothing is known of its contents.
    case unreadable
  }

  package enum Malformation: String, Hashable, Sendable, CaseIterable {
    /// More than one line: Go refuses to send it (k3s-facts 1.1).
    case innerNewline = "inner-newline"
    case nulByte = "nul-byte"
    /// Another control byte, which Go refuses to send in a header.
    case controlByte = "control-byte"
    case directory
    case fullDirectory = "directory-with-contents"
    case symbolicLink = "symbolic-link"
    /// A FIFO, a socket or a device.
    case special
    /// More than any password could be.
    case tooLarge = "too-large"
  }

  package var identity: FileIdentity
  package var shape: Shape
  /// The owner is not the one who runs the agent, or the mode is wider than 0600.
  package var isExposed: Bool
  /// A root-owned link to a root-owned regular file, as immutable systems have it: read, reported, never replaced (design 5).
  package var isTrustedLink: Bool

  package init(identity: FileIdentity, shape: Shape, isExposed: Bool = false, isTrustedLink: Bool = false) {
    self.identity = identity
    self.shape = shape
    self.isExposed = isExposed
    self.isTrustedLink = isTrustedLink
  }
}

/// How the password in the file compares with the escrow. Made where the passwords are; only the answer comes here.
package enum Comparison: String, Hashable, Sendable, CaseIterable {
  case matchesAccepted = "matches-accepted"
  case matchesCandidate = "matches-candidate"
  case differs
  /// There is no accepted password in escrow to compare with, or it is not ours, or it could not be read.
  case nothingToCompare = "nothing-to-compare"
}

/// The escrow, by its facts.
package struct EscrowFacts: Hashable, Sendable {
  package enum Owner: String, Hashable, Sendable {
    case thisMachine = "this-machine"
    case anotherMachine = "another-machine"
    case anotherNode = "another-node"
    /// This machine's hardware cannot be read now, so the escrow is neither used nor displaced (law L3).
    case unknown
  }

  package var hasAccepted: Bool
  package var owner: Owner
  /// At how many agent starts the accepted password was seen to be accepted; 2 after a proof by hash (law L6).
  package var confirmations: Int
  package var candidates: Int
  /// The server refused the accepted password after a heal had put it back: the escrow is the stale side (design 5).
  package var isRefused: Bool
  /// A heal displaced a password that may turn out to be right after all.
  package var hasDisplaced: Bool

  package init(
    hasAccepted: Bool, owner: Owner, confirmations: Int, candidates: Int, isRefused: Bool = false,
    hasDisplaced: Bool = false
  ) {
    self.hasAccepted = hasAccepted
    self.owner = owner
    self.confirmations = confirmations
    self.candidates = candidates
    self.isRefused = isRefused
    self.hasDisplaced = hasDisplaced
  }

  /// The accepted password may be put back here.
  package var isUsable: Bool { hasAccepted && owner == .thisMachine && !isRefused }
}

/// A password that a provisioner brought as a systemd credential, by its facts (design 7).
package struct ProvisionedFacts: Hashable, Sendable {
  /// The password file holds it.
  package var isInFile: Bool
  /// The escrow holds an accepted password, and it is another.
  package var contradictsEscrow: Bool

  package init(isInFile: Bool, contradictsEscrow: Bool) {
    self.isInFile = isInFile
    self.contradictsEscrow = contradictsEscrow
  }
}

/// `serving-kubelet.crt` and `client-kubelet.crt` below `<data-dir>/agent`: written anew at each accepted start (k3s-facts 1.6).
package struct CertificatePair: Hashable, Sendable {
  /// By contents: `chmod`, a move or a remount does not make another certificate.
  package var serving: ContentDigest
  package var client: ContentDigest
  /// Nanoseconds since 1970; the older of the two modification times.
  package var oldestModification: Int64

  package init(serving: ContentDigest, client: ContentDigest, oldestModification: Int64) {
    self.serving = serving
    self.client = client
    self.oldestModification = oldestModification
  }
}
