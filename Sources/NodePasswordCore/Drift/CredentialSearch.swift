/// What is wrong with a server's tokens and credentials. Total: what could not be seen is no drift (law L3).
package enum CredentialSearch {
  /// How long tokens, CA and `cred/passwd` must rest before they are held against each other: a server writes the CA and the
  /// users at its start, and the tokens only once it is up (k3s-facts 3.2).
  package static let patience = Duration.seconds(60)

  static func find(in seen: CredentialObservation, _ circumstances: Circumstances) -> [Finding] {
    findings(
      in: seen, memory: circumstances.serverFiles.credentials, timing: circumstances.policy.timing,
      at: circumstances.now.monotonic)
  }

  package static func findings(
    in seen: CredentialObservation, memory: CredentialMemory, timing: Timing, at now: Moment
  ) -> [Finding] {
    let readiness = Finding.Readiness.rested(since: memory.trust?.since, for: patience, at: now)
    let untrusted = untrusted(seen).map { Finding(.tokenUntrusted, $0, readiness) }
    let unknown = unknown(seen).map { Finding(.tokenUnknown, $0, readiness) }
    return [untrusted, unknown, exposed(seen, memory, timing, at: now)].compactMap { $0 }
  }

  // MARK: Tokens

  private static func untrusted(_ seen: CredentialObservation) -> String? {
    let words = seen.tokens.compactMap { place, facts -> String? in
      guard let token = facts.value, !token.isLink, token.isPinRight == .present(false) else { return nil }
      if case .malformed(let fault) = token.form { return "server/\(place.rawValue): \(fault)" }
      return
        "the hash in server/\(place.rawValue) is not that of server/tls/server-ca.crt: whoever joins by it refuses this server"
    }
    return words.isEmpty ? nil : words.joined(separator: "; ")
  }

  /// What is wrong with one user is told of the first token that shows it; a link shows the same as its file.
  private static func unknown(_ seen: CredentialObservation) -> String? {
    var told: Set<String> = []
    let words = seen.tokens.compactMap { place, facts -> String? in
      guard let token = facts.value else { return nil }
      let name = "server/\(place.rawValue)"
      if case .malformed(let fault) = token.form {
        return token.isLink || token.isPinRight == .present(false) ? nil : "\(name): \(fault)"
      }
      let user = place == .server ? "server" : "node"
      guard let words = objection(to: token.standing, of: user, by: name),
        told.insert(token.standing.isAbsent ? "" : user).inserted
      else { return nil }
      return words
    }
    return words.isEmpty ? nil : words.joined(separator: "; ")
  }

  private static func objection(
    to standing: Observed<TokenFacts.Standing>, of user: String, by name: String
  ) -> String? {
    switch standing {
    case .unknown, .present(.known), .present(.notAsked): nil
    case .absent: "there is no server/cred/passwd, so nobody knows the password of \(name)"
    case .present(.noUser): "server/cred/passwd has no row of “\(user)”, as whom one joins by \(name)"
    case .present(.otherPassword): "server/cred/passwd has another password for “\(user)” than \(name)"
    case .present(.noGroup): "server/cred/passwd has “\(user)” in no group that may join, so \(name) is refused"
    }
  }

  // MARK: Modes

  private static func exposed(
    _ seen: CredentialObservation, _ memory: CredentialMemory, _ timing: Timing, at now: Moment
  ) -> Finding? {
    guard let files = seen.files.value?.drifted, !files.isEmpty else { return nil }
    // What an old version leaves like that is the least news, and none in a closed folder.
    let known = files.filter(\.isKubeconfigOfOldVersion)
    let words = (files.filter { !$0.isKubeconfigOfOldVersion } + known).map { file in
      "\(file.name) (\(file.modeText)" + (file.isForeign ? ", another's)" : ")")
    }
    let reason = known.isEmpty ? "" : "; K3s and RKE2 before 1.26.8 leave kubeconfigs like that at each start"
    let detail = "others may read, or own: \(NameList.list(words))\(reason)"
    guard files.contains(where: { !$0.hasOtherNames }) else {
      return Finding(
        .credentialExposed, detail,
        .undecided("each of them has another name elsewhere, which would be changed with it; remove that one first"))
    }
    return Finding(.credentialExposed, detail, .rested(since: memory.exposure?.since, for: timing.settle, at: now))
  }
}
