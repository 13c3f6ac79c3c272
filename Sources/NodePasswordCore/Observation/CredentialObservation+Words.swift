extension CredentialObservation {
  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] {
    tokens.map { place, facts in
      Explanation.Fact("server/\(place.rawValue)", FactList.word(facts, absent: "none", Self.token))
    } + [
      Explanation.Fact(
        "server/tls/server-ca.crt",
        FactList.word(authority, absent: "none yet") {
          $0.certificates == 1 ? "1 certificate" : "a chain of \($0.certificates)"
        }),
      Explanation.Fact("server/cred/passwd", FactList.word(users, absent: "none", Self.users)),
      Explanation.Fact("modes", FactList.word(files, absent: "not looked at", Self.files)),
    ]
  }

  /// Closes what can be closed; a file with another name elsewhere is a person's.
  func action(for remedy: Remedy) -> ActionMaker.Answer {
    guard remedy == .tightenCredential else { return .impossible("\(remedy.rawValue) is not done by this version") }
    guard let exposed = files.value?.drifted else { return .impossible("the modes could not be read") }
    let files = exposed.filter { !$0.hasOtherNames }
    guard !files.isEmpty else { return .impossible("nothing of it may be changed") }
    return .possible(.serverFile(.tightenCredentials(files)))
  }

  private static func token(_ token: TokenFacts) -> String {
    let form: String =
      switch token.form {
      case .full: "a full token"
      case .short: "a token without the CA's hash"
      case .bootstrap: "a bootstrap token"
      case .malformed(let fault): "no token: \(fault)"
      }
    let pin: String? =
      switch token.isPinRight {
      case .present(let isRight): isRight ? "its hash is the CA's" : "its hash is not the CA's"
      case .absent: nil
      case .unknown(let obstacle): "its hash cannot be judged: \(obstacle)"
      }
    let standing: String? =
      switch token.standing {
      case .present(.notAsked): nil
      case .present(.known): "known in cred/passwd"
      case .present(let standing): "not known in cred/passwd: \(standing.rawValue)"
      case .absent: "not known: there is no cred/passwd"
      case .unknown(let obstacle): "whether it is known cannot be told: \(obstacle)"
      }
    return [token.isLink ? "the link to server/token" : form, pin, standing].compactMap { $0 }.joined(separator: ", ")
  }

  private static func users(_ facts: TokenUserFacts) -> String {
    let rows = facts.rows == 1 ? "1 row" : "\(facts.rows) rows"
    return facts.administrators == 0 ? rows : "\(rows), \(facts.administrators) of them with system:masters"
  }

  private static func files(_ listing: CredentialListing) -> String {
    let drifted = listing.drifted.count
    let open = drifted == 0 ? "none of them open to others" : "\(drifted) open to others"
    let left = listing.exposed.count - drifted
    let words = left == 0 ? "" : ", \(left) kubeconfigs 0644 in a closed folder, as versions before 1.26.8 leave them"
    return "\(listing.looked) files and folders looked at, \(open)\(words)"
  }
}
