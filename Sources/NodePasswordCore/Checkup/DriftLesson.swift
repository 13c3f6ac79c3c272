/// What a drift leads to, and the command that mends it: for a person who looks at one machine.
enum DriftLesson {
  static func why(_ drift: Drift) -> String {
    switch drift {
    case .passwordFileMissing: "the agent makes a new password at its next start, and is refused with it"
    case .passwordFileEmpty: "the server answers 400 for ever, and K3s never mends that"
    case .passwordFileMalformed: "no agent can send it, so the next start does not join"
    case .passwordFileChanged: "the server knows another password: the next start of the agent is refused"
    case .passwordFileExposed: "whoever reads it, and has a join token, can be this node"
    case .passwordFileResurrected: "K3s puts it over the password at its next start"
    case .nodeNameChanged:
      "the machine joins as another Node at its next start, and the old one stays behind, not ready"
    case .agentRefused: "the Node is not ready until the agent is let in"
    case .secretMissing: "whoever asks first with a join token gets this node's name"
    case .secretMismatch, .secretMalformed: "the next start of that node's agent is refused"
    case .secretMutable: "its hash can be changed in place, and nobody would see it"
    case .secretOrphaned, .nodeReprovisioned: "the machine cannot join until its Secret is replaced or reset"
    case .nameCollision: "two machines use one name; only one of them can be in the cluster"
    case .datastoreRestored: "the passwords of many nodes are older or newer than the datastore"
    case .legacyEntryMissing: "whoever asks first with a join token gets this node's name"
    case .legacyEntryMismatch, .legacyEntryDuplicated: "the next start of that node's agent may be refused"
    case .legacyFileMalformed: "K3s cannot read it, and refuses every node"
    case .legacyFileLeftover: "passwords lie there in plain text; `nodepassd explain` says who still goes by them"
    case .tokenUntrusted: "a machine that is given this token refuses the server as a stranger"
    case .tokenUnknown: "a machine that is given this token is refused with 401"
    case .credentialExposed: "whoever reads it can join as a server, or is the cluster's administrator"
    case .manifestAdded, .manifestChanged: "K3s applies what lies there with an administrator's rights, within seconds"
    case .manifestRemoved: "what it brought stays in the cluster, and nobody keeps it up any more"
    case .manifestSkipped: "K3s does not apply the file that it stands beside"
    }
  }

  static func mend(_ drift: Drift, _ facts: CheckupFacts) -> String {
    let (data, password) = (facts.dataDirectory, facts.passwordPath)
    return switch drift {
    case .passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged: "nodepassd escrow show"
    case .passwordFileExposed: "chown root:root \(password) && chmod 600 \(password)"
    case .passwordFileResurrected: "mv \(data)/agent/node-password.txt \(data)/agent/node-password.txt.old"
    case .nodeNameChanged, .secretMissing, .secretMismatch, .secretMalformed, .secretMutable, .nameCollision:
      "nodepassd explain"
    case .agentRefused: "nodepassd probe"
    case .secretOrphaned, .nodeReprovisioned, .datastoreRestored: "nodepassd status"
    // A file that is left over for one version is what another goes by: never told to be removed from here.
    case .legacyEntryMissing, .legacyEntryMismatch, .legacyEntryDuplicated, .legacyFileMalformed, .legacyFileLeftover:
      "nodepassd explain"
    // A server writes its tokens and `cred/passwd` anew at its start (k3s-facts 3.2).
    case .tokenUntrusted, .tokenUnknown: "systemctl restart \(facts.unitName ?? facts.product)"
    case .credentialExposed:
      "chmod 700 \(data)/server \(data)/server/cred && find \(data)/server -maxdepth 1 -type f -exec chmod 600 {} + && "
        + "find \(data)/server/cred -maxdepth 1 -type f -exec chmod 600 {} + && "
        + "find \(data)/server/tls -maxdepth 2 -name '*.key' -type f -exec chmod 600 {} +"
    case .manifestAdded, .manifestChanged, .manifestRemoved, .manifestSkipped: "nodepassd manifests diff"
    }
  }
}
