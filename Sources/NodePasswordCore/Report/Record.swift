/// One entry for the journal: a kind with a constant message, and the variable parts as fields.
package struct Record: Hashable, Sendable {
  package var kind: RecordKind
  /// The kind's own, unless the case at hand is more or less urgent.
  package var priority: Priority
  package var fields: [RecordField: String]

  package init(_ kind: RecordKind, priority: Priority? = nil, _ fields: [RecordField: String] = [:]) {
    self.kind = kind
    self.priority = priority ?? kind.priority
    self.fields = fields
  }
}

/// The variable parts. In the journal they are called `NODEPASSD_…` (design 8).
package enum RecordField: String, CaseIterable, Hashable, Sendable {
  case node = "NODE"
  case subject = "SUBJECT"
  case drift = "DRIFT"
  case remedy = "REMEDY"
  case rule = "RULE"
  case pass = "PASS"
  case cause = "CAUSE"
  case secretUID = "SECRET_UID"
  case outcome = "OUTCOME"
  case decision = "DECISION"
  case reason = "REASON"
  case path = "PATH"
  case obstacle = "OBSTACLE"
  case proof = "PROOF"
  case advice = "ADVICE"
  case version = "VERSION"
  case policy = "POLICY"
  case diagnostic = "DIAGNOSTIC"
  case duration = "DURATION_USEC"
  case refusal = "REFUSAL"
  case status = "STATUS"
  case seal = "SEAL"
  case unit = "UNIT"
  /// Addresses that a refused join came from; `unknown` where the server does not log them.
  case peer = "PEER"
  case count = "COUNT"
  /// Of an alarm: what its alert unit's instance is called.
  case id = "ID"
  /// The refused agent's main process. In the journal it is called `OBJECT_PID`, so that the entry stands beside the agent's
  /// own (systemd.journal-fields(7)).
  case objectPID = "OBJECT_PID"
}

/// Every kind of record there is. Each has one message ID, one constant message and one catalog entry.
package enum RecordKind: String, CaseIterable, Hashable, Sendable {
  case started
  case stopping
  case policyLoaded = "policy-loaded"
  case policyRejected = "policy-rejected"
  case driftFound = "drift-found"
  case planned
  case held
  case reported
  case acted
  case actFailed = "act-failed"
  case healed
  case collision
  case driftGone = "drift-gone"
  case escrowAccepted = "escrow-accepted"
  case escrowForeign = "escrow-foreign"
  case escrowDamaged = "escrow-damaged"
  case trustedLink = "trusted-link"
  case obstructed
  case cleared
  case clockJumped = "clock-jumped"
  case datastoreWentBack = "datastore-went-back"
  case actLogDamaged = "act-log-damaged"
  case frozen
  case refusedPassword = "refused-password"
  case refusedNameTaken = "refused-name-taken"
  case refusedEmptyPassword = "refused-empty-password"
  case refusedMalformedPassword = "refused-malformed-password"
  case refusedToken = "refused-token"
  case refusedNodeDeleted = "refused-node-deleted"
  case refusedStaleCertificate = "refused-stale-certificate"
  case refusedNodeName = "refused-node-name"
  case agentWaiting = "agent-waiting"
  case agentAdmitted = "agent-admitted"
  case credentialConflict = "credential-conflict"
  case sealFallback = "seal-fallback"
  case probed
  case joinRefused = "join-refused"
  case joinEvidenceDropped = "join-evidence-dropped"
  case ledgerMade = "ledger-made"
  case alertFailed = "alert-failed"
  case alertsSuppressed = "alerts-suppressed"
  case manifestsAccepted = "manifests-accepted"
}

extension RecordKind {
  /// 128 bits in lower-case hex, never used for anything else (systemd.journal-fields(7), MESSAGE_ID).
  package var messageID: String {
    switch self {
    case .started: "9654d42e5e5d4bce9779b23539c434cc"
    case .stopping: "d75683d9c63e44b4a1b516da978cdc6b"
    case .policyLoaded: "61724e093faf4b63adaa1c8fa400e195"
    case .policyRejected: "3a2b2a4de3a3404b9c87dfd6059b3d87"
    case .driftFound: "2498409963fb43449bbb13d8215391f2"
    case .planned: "366112e719e341ea862f15a336892344"
    case .held: "d00753ab654f4152a5f279ecf194a74c"
    case .reported: "922c5c0cf89e4f05b6e3f11d353ec7d6"
    case .acted: "2a0e1b18f6284d5fa7094c8225bf3667"
    case .actFailed: "e688c2a365514ff59fbc82a63bdc2ce8"
    case .healed: "ef1daa87ce62435f98a7f95d7a9e0ea8"
    case .collision: "7f53488e31134e62bedb7fe44b0c1a6d"
    case .driftGone: "7a995ee9855a4c528296f3d844518879"
    case .escrowAccepted: "dcb412cb424e4b1d9d8e8aba76ca8dd8"
    case .escrowForeign: "0c33cda7509d467daf288b5c50b8ef71"
    case .escrowDamaged: "d92499f5b5f541779c025463143e4002"
    case .trustedLink: "9688fd387ad14f3cb6edad484f51b47d"
    case .obstructed: "633cf91f168e425d8c4c48b0dc4947e1"
    case .cleared: "de054e3310f24b379b44d22d85bddd1d"
    case .clockJumped: "a4d6e7eb9d654a78bd8201da3add7d4e"
    case .datastoreWentBack: "f1def59cb2314409ad13a73f323ab95e"
    case .actLogDamaged: "d4ba635a81af4603a2f61d28607489fe"
    case .frozen: "877dd11967c840d9a4256fdf1ada15ac"
    case .refusedPassword: "19274b814f73499ba14445baf75de23e"
    case .refusedNameTaken: "7075737983734c2d93ea4da096816c4b"
    case .refusedEmptyPassword: "c667b21e8c444361a5dc05967b1fe693"
    case .refusedMalformedPassword: "aa3a538f30e0403a9053642db60595a3"
    case .refusedToken: "6747bc15b5db4cfc9e5d379cb746fcd5"
    case .refusedNodeDeleted: "e6cd113f304643448027111045e86004"
    case .refusedStaleCertificate: "26b791b19b7e45b196d496352bbfc957"
    case .refusedNodeName: "c61fb8d2e7a94d0c8f35a14e92b7604d"
    case .agentWaiting: "74f0f431f04c4198b8a941f66522bf92"
    case .agentAdmitted: "3b2be5224ffa410d9ff217805367198e"
    case .credentialConflict: "1c3414232ad24bdbbdbc1f96e9afbdda"
    case .sealFallback: "a9b3efc9ca5a4c028d7d5bd1aed39686"
    case .probed: "3d2142891ea143d99303a6e4fba1764c"
    case .joinRefused: "e33aa15fd23340be9a43d8cc712e7cd8"
    case .joinEvidenceDropped: "c540020b8f374977b31cf9dd5720a46e"
    case .ledgerMade: "0f6a8d1c5b7e4a3d9c2e6f41b08d7a95"
    case .alertFailed: "7903a9b532cd467c9d63a1a4de0ed928"
    case .alertsSuppressed: "e24acaa32f0f4238895ddf3787f10015"
    case .manifestsAccepted: "f84c72a4c56c47909c38832f5545082e"
    }
  }

  /// Constant; what varies is in the fields.
  package var message: String {
    switch self {
    case .started: "Watching this machine's node password"
    case .stopping: "Stopping"
    case .policyLoaded: "Policy in force"
    case .policyRejected: "Failed to load the policy"
    case .driftFound: "Found drift"
    case .planned: "Planned a remedy"
    case .held: "Holding a remedy"
    case .reported: "Reporting drift, doing nothing"
    case .acted: "Acted"
    case .actFailed: "Failed to act"
    case .healed: "Healed"
    case .collision: "A heal was undone: somebody else uses this name"
    case .driftGone: "Drift has gone without us"
    case .escrowAccepted: "The server accepted the node password; keeping it in escrow"
    case .escrowForeign: "The escrow belongs to another machine or node; not using it"
    case .escrowDamaged: "The escrow is damaged; set aside"
    case .trustedLink: "The node password is kept behind a link; reading it, never replacing it"
    case .obstructed: "Failed to look"
    case .cleared: "Can look again"
    case .clockJumped: "The clock jumped; leaving Secrets alone for a while"
    case .datastoreWentBack: "The datastore went back in time; leaving Secrets alone for a while"
    case .actLogDamaged: "The log of acts is damaged; counting budgets as spent"
    case .frozen: "The loop answers no longer"
    case .refusedPassword:
      "The agent is refused: the server knows another password for this node name"
    case .refusedNameTaken:
      "The agent is refused: another machine may have this node name, or the datastore is an older one"
    case .refusedEmptyPassword:
      "The agent is refused: its password file holds nothing"
    case .refusedMalformedPassword:
      "The agent cannot ask: its password file holds no password"
    case .refusedToken:
      "The agent is refused: the server does not accept its token"
    case .refusedNodeDeleted:
      "The agent is refused: its Node was deleted"
    case .refusedStaleCertificate:
      "The agent is refused: its Node was deleted, and its old client certificate stands in the way of its token"
    case .refusedNodeName:
      "The agent is refused: it asks under another name than its client certificate's"
    case .agentWaiting:
      "The agent waits for the server"
    case .agentAdmitted:
      "The agent is no longer refused"
    case .credentialConflict:
      "The password that the provisioner brought is not the accepted one; not using it"
    case .sealFallback:
      "The escrow could not be sealed as preferred; sealed otherwise"
    case .probed:
      "Asked the server whether it would accept the password"
    case .joinRefused:
      "A node is refused: the server knows another password for its name"
    case .joinEvidenceDropped:
      "Too many nodes are refused; keeping those that asked last"
    case .ledgerMade:
      "Making the ledger of acts; counting budgets as spent"
    case .alertFailed:
      "Failed to raise an alert"
    case .alertsSuppressed:
      "Too many alarms; raising no alerts for a while"
    case .manifestsAccepted:
      "Accepted manifests into the baseline"
    }
  }

  package var priority: Priority {
    switch self {
    case .started, .stopping, .policyLoaded, .driftGone, .cleared, .trustedLink, .planned, .agentWaiting: .info
    case .acted, .healed, .escrowAccepted, .agentAdmitted, .probed, .manifestsAccepted: .notice
    case .driftFound, .reported, .obstructed, .clockJumped, .datastoreWentBack, .escrowDamaged, .refusedPassword,
      .refusedEmptyPassword, .refusedMalformedPassword, .sealFallback, .alertsSuppressed, .joinRefused,
      .joinEvidenceDropped, .ledgerMade:
      .warning
    case .held, .policyRejected, .actFailed, .collision, .escrowForeign, .actLogDamaged, .frozen, .refusedNameTaken,
      .refusedToken, .refusedNodeDeleted, .refusedStaleCertificate, .refusedNodeName, .credentialConflict, .alertFailed:
      .error
    }
  }
}
