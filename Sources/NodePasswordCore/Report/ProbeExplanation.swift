/// What the supervisor's answer to a probe means to a person, and what to do: a table over meaning and era
/// (k3s-facts 2.3, 6.2).
package struct ProbeExplanation: Hashable, Sendable {
  package let words: String
  package let advice: String

  package init(_ meaning: ProbeAnswer.Meaning, _ era: ProbeAnswer.Era) {
    words = Self.words(meaning, era)
    advice = Self.advice(meaning, era)
  }

  package init(_ answer: ProbeAnswer) { self.init(answer.meaning, answer.era) }

  private static func words(_ meaning: ProbeAnswer.Meaning, _ era: ProbeAnswer.Era) -> String {
    switch (meaning, era) {
    case (.accepted, _):
      "the server accepts this password: its stored hash is this password's, or it had none and has stored it now (since "
        + "1.26.6 one that cannot store it says so too, and checks later)"
    case (.passwordRefused, _):
      "the server's stored hash is another password's; the agent would be refused at its next start"
    case (.forbidden, .plainText):
      "the server refused, and not because of the password: before 1.26.6 a quota, a webhook, a damaged hash and a "
        + "client certificate alone are all answered like that"
    case (.forbidden, .statusObject):
      "the server refused, and not because of the password: what was shown to it has not the agent's role, or the stored "
        + "hash is damaged"
    case (.forbidden, .unknown): "somebody refused, and nothing says that it was because of the password"
    case (.badRequest, _):
      "the server could not use the request: the client certificate is another node's than the name"
    case (.unauthenticated, .plainText): "the server knows neither the token nor the client certificate"
    case (.unauthenticated, .statusObject), (.unauthenticated, .unknown):
      "the server knows neither the token nor the client certificate; while it starts it knows nobody at all"
    case (.nodeDeleted, _):
      "the server knows the client certificate, but its Node was deleted; no token was known beside it"
    case (.notReady, _): "the server is starting or has too much to do; nothing was decided about the password"
    case (.unexpected, _): "no supervisor answers like that; nothing was decided about the password"
    }
  }

  private static func advice(_ meaning: ProbeAnswer.Meaning, _ era: ProbeAnswer.Era) -> String {
    switch (meaning, era) {
    case (.accepted, _): "nothing"
    case (.passwordRefused, .plainText):
      "put the right password file back; if it is lost, and this machine alone owns the name, delete this node's "
        + "node-password Secret by name (up to 1.19: its row in server/cred/node-passwd on every server)"
    case (.passwordRefused, .statusObject), (.passwordRefused, .unknown):
      "put the right password file back; if it is lost, and this machine alone owns the name, delete this node's "
        + "node-password Secret by name"
    case (.forbidden, .plainText):
      "look into the server's journal at this time; check the token, quotas and webhooks for Secrets in kube-system, and "
        + "the node's name"
    case (.forbidden, .statusObject):
      "look into the server's journal at this time; check the token, and this node's node-password Secret"
    case (.forbidden, .unknown):
      "check that the configured server is a K3s or RKE2 server and no proxy stands before it"
    case (.badRequest, _):
      "compare the node name with the name in the certificate (`nodepassd explain`), and give the agent its name back"
    case (.unauthenticated, _):
      "compare the agent's token with the file server/node-token on a server; a bootstrap token may have expired"
    case (.nodeDeleted, _):
      "give the agent a token that is valid and restart it; where it then loops with 401, remove client-kubelet.crt and "
        + "client-kubelet.key from the agent's data directory"
    case (.notReady, _): "try again in a minute"
    case (.unexpected, _):
      "check that the configured server is a K3s or RKE2 server, and look into its journal at this time"
    }
  }
}

extension ProbeExplanation {
  /// What to do where nobody could be asked.
  package static func advice(for obstacle: Obstacle) -> String {
    switch obstacle.kind {
    case .permissionDenied: "run it as root"
    case .unreachable, .timedOut: "check that the server runs, and that this machine reaches it at that address"
    case .untrusted:
      "check the configured server, the clock, and whether the cluster's CA was replaced since this machine joined"
    case .throttled, .busy: "try again in a minute"
    case .conflict: "give the agent the name it joined with, or let it join under the new one; see `nodepassd explain`"
    case .notConfigured: "configure what is missing, as the agent needs it too"
    case .noSpace, .readOnly, .inputOutput: "look at the kernel's log for the disk of what is named"
    case .unauthenticated, .malformed, .tooLarge, .foreign, .sealed: "look at what is named, and mend it"
    }
  }

  /// 1 try later, 3 nothing was learnt; that it is not permitted is said by a status of its own.
  package static func exitCode(for obstacle: Obstacle) -> Int32 {
    switch obstacle.kind {
    case .throttled, .busy: 1
    default: 3
    }
  }
}

extension ProbeAnswer.Meaning {
  /// For programs: 0 accepted, 1 try later, 2 a person must act, 3 nothing was learnt.
  package var exitCode: Int32 {
    switch self {
    case .accepted: 0
    case .notReady: 1
    case .passwordRefused, .forbidden, .badRequest, .unauthenticated, .nodeDeleted: 2
    case .unexpected: 3
    }
  }
}
