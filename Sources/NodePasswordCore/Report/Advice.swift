/// What a person can do, for records, `status` and `explain`.
package enum Advice {
  package static let collision =
    "find the other machine that uses this node name and rename it, or set `with-node-id: true` there; see `nodepassd explain`"

  package static let credential =
    "find out which is right; `nodepassd escrow show` tells whose the escrow is. To use the provisioner's: stop nodepassd, "
    + "`nodepassd escrow forget`, remove the password file, start nodepassd"

  package static let alert = "see `systemctl status` of the unit that is named, and its journal"

  package static func advice(for decision: Decision) -> String {
    if let diagnosis = decision.finding.diagnosis, !decision.isAct { return advice(for: diagnosis) }
    if let words = advice(forToken: decision.finding.drift), decision.needsPerson { return words }
    if decision.finding.drift.isOfManifests, let advice = manifestAdvice(for: decision.verdict) { return advice }
    return switch decision.verdict {
    case .act: "nothing while nodepassd runs: it heals this"
    case .wait(let wait, _, _): advice(for: wait)
    case .report: "allow a remedy in the policy, or mend it by hand; `nodepassd explain` shows the facts"
    case .hold: advice(forHeld: decision.finding.drift)
    }
  }

  /// A server writes its tokens and its users anew at its start (k3s-facts 3.2).
  private static func advice(forToken drift: Drift) -> String? {
    switch drift {
    case .tokenUntrusted:
      "restart the server, which writes its tokens anew by its CA, and give the new one to machines that are to join; if the CA was "
        + "not changed on purpose, find out who did"
    case .tokenUnknown:
      "restart the server, which writes cred/passwd anew by its token; machines that have joined are not touched by it"
    default: nil
    }
  }

  private static func manifestAdvice(for verdict: Decision.Verdict) -> String? {
    switch verdict {
    case .act, .wait: nil
    case .hold, .report:
      "`nodepassd manifests diff` shows it; then `nodepassd manifests accept` or `restore` what is named"
    }
  }

  private static func advice(for wait: Finding.Wait) -> String {
    switch wait {
    case .settle, .verdict, .heartbeat, .holdOff, .condition, .server, .refusals, .ledger, .sync, .address, .returning:
      "nothing yet; it is looked at again by itself"
    case .batch: wave
    case .budget: "find out what keeps changing it; acting goes on when the budget has room again"
    }
  }

  /// What a person can do about a refused agent (k3s-facts 6.2), unless nodepassd is about to.
  package static func advice(for diagnosis: RefusalDiagnosis, _ decisions: [Decision]) -> String {
    decisions.contains { $0.isAct && $0.finding.drift != .passwordFileExposed }
      ? "nothing while nodepassd runs: it heals this" : advice(for: diagnosis)
  }

  static func advice(for diagnosis: RefusalDiagnosis) -> String {
    switch diagnosis {
    case .password:
      "put the accepted password back into the password file; where it is lost for good, make sure that no other machine uses "
        + "this name, then delete this node's node-password Secret by name (servers before 1.26.6 also answer 403 when the "
        + "Secret could not be read or made: see the server's journal)"
    case .nameTaken:
      "if another machine uses this name, give one of them a name of its own, or set `with-node-id: true` here. If this machine "
        + "was rebuilt or the datastore restored, delete this node's node-password Secret by name once no other machine uses "
        + "the name; the agent joins by itself within seconds"
    case .emptyPassword:
      "put the password back, or remove the file and delete this node's node-password Secret by name: the agent then makes a new one"
    case .malformedPassword: "put one line with the password into the file, or remove it"
    case .token:
      "compare the agent's token (`token`, `token-file`, K3S_TOKEN) with /var/lib/rancher/k3s/server/token on a server; then restart the agent, "
        + "which reads its configuration only at its start"
    case .nodeDeleted:
      "if the Node was deleted on purpose, stop the agent here. Else give the agent a valid token and restart it"
    case .staleCertificate:
      "remove client-kubelet.crt and client-kubelet.key from the agent's directory; the agent then falls back to its token"
    case .nodeName:
      "put the old name back (`node-name`, or the `id` file); or, if the rename is meant, remove client-kubelet.crt and "
        + "client-kubelet.key from the agent's directory, and delete the old Node after the new one has joined"
    case .serverNotReady: "nothing yet; see the server's journal if it stays so"
    }
  }

  private static func advice(forHeld drift: Drift) -> String {
    switch drift {
    case .passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged:
      // The most common reason to hold is an escrow of another machine: a clone must never be helped under that name.
      "see the reason; if this machine is a clone, give it a node name of its own first. Only on the machine that owns the "
        + "name: put the right password file back, or delete this node's node-password Secret and let the agent join anew"
    case .passwordFileResurrected: "compare node-password.txt with the password file, and remove the one that is wrong"
    case .secretMissing, .secretMismatch, .secretMalformed, .secretMutable:
      "make sure that this Node is this machine and is healthy, then delete its node-password Secret by name; the agent makes a new one at its next start"
    case .nodeNameChanged:
      "if the rename is meant, delete the old Node after the new one has joined; else put the name or the `id` file back"
    case .datastoreRestored: wave
    case .legacyEntryMissing, .legacyEntryMismatch:
      "find out which password is right; then let a rule write the row, or copy it back, or edit `cred/node-passwd` yourself: "
        + "the server reads it at each request"
    case .legacyFileLeftover:
      "see the reason; before an upgrade from 1.19 every Node should have a row on each server, and no file should be left "
        + "without one"
    default: "look at `nodepassd explain`"
    }
  }

  package static func advice(for obstacle: Obstacle) -> String {
    switch obstacle.kind {
    case .permissionDenied: "run nodepassd as root; for the API, check what the kubeconfig's user may do"
    case .unauthenticated: "check the kubeconfig: the server does not know its user"
    case .unreachable, .timedOut: "check that the API server runs and can be reached; it is tried again by itself"
    case .untrusted: "check the CA in the kubeconfig and the server's certificate, and the clock"
    case .throttled: "nothing; it is tried again by itself"
    case .malformed: "look at what is named, and mend it or move it away"
    case .tooLarge: "look at what is named: it is no such thing as belongs there"
    case .noSpace: "free space on that file system"
    case .readOnly: "make that file system writable"
    case .inputOutput: "look at the kernel's log for that disk"
    case .conflict: "nothing; it is looked at again by itself"
    case .notConfigured: "nothing, if this machine is no server; else check that the kubeconfig exists"
    case .busy: "nothing; it is tried again by itself"
    case .foreign: "if this machine is a clone, give it a node name of its own; see `nodepassd escrow forget`"
    case .sealed:
      "check the TPM and /var/lib/systemd/credential.secret; `systemd-creds has-tpm2` and `nodepassd escrow show` tell more"
    }
  }
}
