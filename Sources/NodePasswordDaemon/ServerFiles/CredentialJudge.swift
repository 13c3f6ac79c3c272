import NodePasswordCore

/// Holds a server's tokens against its CA and its `cred/passwd`, and lets only the answers out.
package struct CredentialJudge {
  private let reading: CredentialReading
  private let distribution: Distribution
  private let users: Observed<TokenUsers>

  /// - Parameter server: the `server` directory, for obstacles.
  package init(_ reading: CredentialReading, _ distribution: Distribution, at server: String) {
    self.reading = reading
    self.distribution = distribution
    users =
      switch reading.table {
      case .absent: .absent
      case .unknown(let obstacle): .unknown(obstacle)
      case .present(let table): Self.users(table, at: "\(server)/cred/passwd")
      }
  }

  private static func users(_ table: CredentialReading.Table, at place: String) -> Observed<TokenUsers> {
    do throws(TokenUsers.Fault) {
      return .present(try TokenUsers(table.text))
    } catch {
      return .unknown(Obstacle(.malformed, at: place, "\(error.words); K3s does not read it either"))
    }
  }

  package func observation() -> CredentialObservation {
    CredentialObservation(
      server: facts(of: .server), node: facts(of: .node), agent: facts(of: .agent),
      authority: reading.authority.map(\.facts), users: userFacts(), files: reading.files)
  }

  private func userFacts() -> Observed<TokenUserFacts> {
    switch (reading.table, users) {
    case (.present(let table), .present(let users)):
      .present(TokenUserFacts(identity: table.identity, rows: users.rows, administrators: users.administrators))
    case (_, .unknown(let obstacle)), (.unknown(let obstacle), _): .unknown(obstacle)
    case (.absent, _), (_, .absent): .absent
    }
  }

  private func facts(of place: TokenPlace) -> Observed<TokenFacts> {
    (reading.tokens[place] ?? .absent).map { file in
      do throws(NodeToken.Fault) {
        let token = try NodeToken(trimming: file.text)
        return TokenFacts(
          identity: file.identity, isLink: file.isLink, form: form(of: token), isPinRight: isPinRight(token),
          standing: standing(of: token, at: place, isLink: file.isLink))
      } catch {
        return TokenFacts(
          identity: file.identity, isLink: file.isLink, form: .malformed(error.words),
          isPinRight: error == .hash ? .present(false) : .absent, standing: .present(.notAsked))
      }
    }
  }

  private func form(of token: NodeToken) -> TokenFacts.Form {
    switch token.credential {
    case .bootstrap: .bootstrap
    case .password: token.authorityHash == nil ? .short : .full
    }
  }

  private func isPinRight(_ token: NodeToken) -> Observed<Bool> {
    guard let hash = token.authorityHash else { return .absent }
    return reading.authority.map { $0.hashes.contains(hash) }
  }

  // MARK: cred/passwd

  private func standing(
    of token: NodeToken, at place: TokenPlace, isLink: Bool
  ) -> Observed<TokenFacts.Standing> {
    guard case .password(let password) = token.credential else { return .present(.notAsked) }
    return users.map { table in
      let name = place == .server ? "server" : "node"
      guard let user = table.users[name] else { return .noUser }
      // A server's token, by another name. With an agents' token of their own, which has a file since 1.24.4 only, it is none
      // of `node`'s.
      let isAsked = place != .node || !isLink
      guard !isAsked || user.password.isEqual(to: password) else { return .otherPassword }
      return groups(of: name).contains(where: user.groups.contains) ? .known : .noGroup
    }
  }

  /// Before 1.0, when there was no `token` file, each of them was an administrator.
  private func groups(of user: String) -> [String] {
    let group = "\(distribution.rawValue):\(user == "server" ? "server" : "agent")"
    guard case .absent = reading.tokens[.server] ?? .absent else { return [group] }
    return [group, "system:masters"]
  }
}
