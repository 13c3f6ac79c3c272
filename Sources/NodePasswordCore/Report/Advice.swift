/// What a person can do, for records, `status` and `explain`.
package enum Advice {
  package static let collision =
    "find the other machine that uses this node name and rename it, or set `with-node-id: true` there; see `nodepassd explain`"

  package static func advice(for decision: Decision) -> String {
    switch decision.verdict {
    case .act: "nothing while nodepassd runs: it heals this"
    case .wait(let wait, _, _): advice(for: wait)
    case .report: "allow a remedy in the policy, or mend it by hand; `nodepassd explain` shows the facts"
    case .hold: advice(forHeld: decision.finding.drift)
    }
  }

  private static func advice(for wait: Finding.Wait) -> String {
    switch wait {
    case .settle, .verdict, .heartbeat, .holdOff, .condition: "nothing yet; it is looked at again by itself"
    case .budget: "find out what keeps changing it; acting goes on when the budget has room again"
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
    default: "look at `nodepassd explain`"
    }
  }

  package static func advice(for obstacle: Obstacle) -> String {
    switch obstacle.kind {
    case .permissionDenied: "run nodepassd as root, and check what the kubeconfig's user may do"
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
    }
  }
}
