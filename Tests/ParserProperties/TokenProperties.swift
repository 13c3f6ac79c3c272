import NodePasswordDaemon

extension ParserProperty {
  static let tokens = [
    ParserProperty(
      "node-token", words: ["K10", "::", ":", "node", "server", hash, "abcdef.0123456789abcdef", "."],
      texts: [
        "", "K10", "K10\(hash)::server:0123456789abcdef\n", "K10\(hash)::node:a:b::c",
        "K10\(hash)::abcdef.0123456789abcdef",
        "abcdef.0123456789abcdef", "  short token\n", "K10::node:secret", "K10node:secret", "K10\(hash):",
        "K10\(hash)::node:",
      ]
    ) {
      try TokenProperty.isTaken($0)
      try TokenProperty.isTakenAgain($0)
    },
    ParserProperty(
      "token-users",
      words: [",", "\"", "\n", "node", "server", "k3s:server", "k3s:agent", "system:masters", "\"a,b\""],
      texts: csvTexts + [
        "aa,node,node,k3s:agent\nbb,server,server,k3s:server\ncc,admin,admin,system:masters\n",
        "aa,node\naa,node,node,\"k3s:agent,system:masters\"\n", "aa,admin,,\"x,system:masters\"\nbb,admin\n", "aa\n",
      ]
    ) {
      try TokenUsersProperty.readsLikeK3s($0)
      try TokenUsersProperty.tellsNothing($0)
    },
  ]

  private static let hash = String(repeating: "0123456789abcdef", count: 4)
}

private enum TokenProperty {
  static func bytes(_ credential: NodeToken.Credential) -> [UInt8] {
    switch credential {
    case .password(let secret), .bootstrap(let secret): secret.withBytes { Array($0) }
    }
  }

  /// What was taken apart, put together again, is the text.
  static func isTaken(_ input: [UInt8]) throws {
    let isInk = { (byte: UInt8) in byte > 0x20 }
    let text = input.drop { !isInk($0) }.reversed().drop { !isInk($0) }.reversed()
    guard let token = try? NodeToken(trimming: SecretBytes(copying: input)) else {
      // A short token is any text.
      return try require(
        text.isEmpty || text.starts(with: "K10".utf8) || input.count > NodeToken.sizeLimit, "a short token is refused")
    }
    let credential = bytes(token.credential)
    try require(
      !credential.isEmpty && text.suffix(credential.count).elementsEqual(credential), "the credential's place")
    var front = text.dropLast(credential.count)[...]
    try require(front.isEmpty == !text.starts(with: "K10".utf8) || front.isEmpty, "the prefix")
    guard !front.isEmpty else { return try same(token.authorityHash, nil, "a short token's hash") }
    front = front.dropFirst(3)
    if let hash = token.authorityHash {
      try require(hash.utf8.count == 64 && hash.allSatisfy { "0123456789abcdef".contains($0) }, "the hash")
      try require(front.starts(with: "\(hash)::".utf8), "the hash's place")
      front = front.dropFirst(66)
    } else if front.starts(with: "::".utf8) {
      front = front.dropFirst(2)
    }
    if case .bootstrap = token.credential {
      try require(front.isEmpty && credential.count == 23 && credential[6] == UInt8(ascii: "."), "a bootstrap token")
    } else {
      let user = front.dropLast()
      try require(front.last == UInt8(ascii: ":") && !user.contains(UInt8(ascii: ":")), "the user")
    }
  }

  /// Whatever the password, a full token that holds it is taken, and gives it back.
  static func isTakenAgain(_ input: [UInt8]) throws {
    let isInk = { (byte: UInt8) in byte > 0x20 }
    guard let first = input.first, let last = input.last, isInk(first), isInk(last), input.count < 8_000 else { return }
    let hash = String(repeating: "5a", count: 32)
    let text = Array("K10\(hash)::node:".utf8) + input
    guard let token = try? NodeToken(trimming: SecretBytes(copying: text)) else {
      throw Broken(description: "a full token is refused")
    }
    try same(token.authorityHash, hash, "hash")
    guard case .password(let secret) = token.credential else { throw Broken(description: "a password is none") }
    try same(secret.withBytes { Array($0) }, input, "password")
  }
}

private enum TokenUsersProperty {
  private static func read(_ text: [UInt8]) -> Result<TokenUsers, TokenUsers.Fault> {
    do throws(TokenUsers.Fault) {
      return .success(try TokenUsers(SecretBytes(copying: text)))
    } catch {
      return .failure(error)
    }
  }

  static func readsLikeK3s(_ text: [UInt8]) throws {
    let records = ReferenceCSV.records(of: text).flatMap { $0.allSatisfy { $0.count > 1 } ? $0 : nil }
    guard case .success(let users) = read(text) else { return try require(records == nil, "a good file is refused") }
    let rows = try require(records, "a faulty file is taken")
    try same(users.rows, rows.count, "rows")
    var last: [[UInt8]: [[UInt8]]] = [:]
    for row in rows { last[row[1]] = row }
    let groups = last.mapValues { $0.count > 3 ? $0[3].split(separator: UInt8(ascii: ",")).map { Array($0).text } : [] }
    try same(users.administrators, groups.values.filter { $0.contains("system:masters") }.count, "administrators")
    try same(Set(users.users.keys), Set(["node", "server"].filter { last[Array($0.utf8)] != nil }), "users")
    for (name, user) in users.users {
      try same(user.password.withBytes { Array($0) }, last[Array(name.utf8)]?[0], "a password")
      try same(user.groups, groups[Array(name.utf8)], "groups")
    }
  }

  /// A file of which nothing but the structure is the same is faulty in the same words.
  static func tellsNothing(_ text: [UInt8]) throws {
    let other = text.map { Array("\",\r\n".utf8).contains($0) ? $0 : UInt8(ascii: "x") }
    let faults = [text, other].map { text -> String? in
      if case .failure(let fault) = read(text) { fault.words } else { nil }
    }
    try same(faults[0], faults[1], "what faults say")
  }
}
