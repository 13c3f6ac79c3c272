import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct PolicyFileTests {
  static let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"

  static func parse(_ text: String, dropIn: String? = nil) -> Result<Policy, PolicyRejection> {
    var texts = [PolicyText(file: "policy.yaml", bytes: Array(text.utf8), isDropIn: false)]
    if let dropIn { texts.append(PolicyText(file: "10.yaml", bytes: Array(dropIn.utf8), isDropIn: true)) }
    return PolicyFile.parse(texts)
  }

  static func complaints(_ text: String, dropIn: String? = nil) -> [String] {
    guard case .failure(let rejection) = parse(text, dropIn: dropIn) else { return [] }
    return rejection.diagnostics.map(\.description)
  }

  @Test func theShortestPolicyIsTheDefault() throws { #expect(try Self.parse(Self.head).get() == Policy()) }

  @Test func everythingWrongIsSaidAtOnceWithItsPlace() {
    let text = """
      apiVersion: nodepassd.io/v2
      kind: Policy
      mdoe: observe
      rules:
        - name: a
          drift: [password-file-mising, secret-mismatch]
          do: restor-password-file
        - drift: []
          do: report
      limits: { local: { acts: 0 }, wave: { share: 200% } }
      timing: { settle: 1 }
      """
    #expect(
      Self.complaints(text) == [
        "policy.yaml:1:13: `apiVersion`: must be `nodepassd.io/v1`, not `nodepassd.io/v2`",
        "policy.yaml:3:1: unknown key `mdoe`; did you mean `mode`?",
        "policy.yaml:6:13: `drift`: `password-file-mising` is not known here; did you mean `password-file-missing`?",
        "policy.yaml:7:9: `do`: `restor-password-file` is not known here; did you mean `restore-password-file`?",
        "policy.yaml:8:5: a part of `rules` has no `name`",
        "policy.yaml:8:12: `drift` is an empty list, which matches nothing",
        "policy.yaml:10:26: `acts`: must be 1 to 1000, not 0",
        "policy.yaml:10:46: `share`: must be 1% to 100%, not `200%`",
        "policy.yaml:11:19: `settle`: must be a number with a unit (ms, s, m, h, d), as in 250ms or 10m, not `1`",
      ])
  }

  @Test(arguments: [
    ("", "is empty"), ("# nothing\n", "is empty"), ("- a\n", "must be a mapping"), ("a: [", "did not find expected"),
    ("a: &x 1\n", "anchors"), ("a: *x\n", "aliases"), ("a: !t 1\n", "tags"), ("a: 1\na: 2\n", "a second time"),
    (head + "---\n" + head, "second document"), ("? [a]\n: b\n", "a key must be plain text"),
    (String(repeating: "[", count: 40), "levels deep"),
  ])
  func yamlThatHidesThingsIsRefused(_ text: String, _ words: String) {
    #expect(Self.complaints(text).first?.contains(words) == true, "\(Self.complaints(text))")
  }

  @Test func binaryAndHugeFilesAreRefused() {
    let binary = PolicyText(file: "b", bytes: [0xff, 0xfe, 0x00], isDropIn: false)
    let huge = PolicyText(file: "h", bytes: [UInt8](repeating: 0x20, count: PolicyText.sizeLimit + 1), isDropIn: false)
    for text in [binary, huge] {
      guard case .failure = PolicyFile.parse([text]) else {
        Issue.record("\(text.file) was accepted")
        continue
      }
    }
  }

  @Test func aDropInAddsRulesAndNothingElse() throws {
    let rule = "rules:\n  - { name: mine, drift: [secret-orphaned], do: report }\n"
    let policy = try Self.parse(Self.head, dropIn: Self.head + rule).get()
    #expect(policy.rules.map(\.name) == Policy().rules.map(\.name) + ["mine"])
    #expect(policy.rules.last?.origin == Origin(file: "10.yaml", line: 4, column: 5))
    #expect(
      Self.complaints(Self.head, dropIn: Self.head + "mode: observe\n") == [
        "10.yaml:3:1: unknown key `mode`; a drop-in has: apiVersion, kind, rules"
      ])
  }

  @Test func contradictionsAreFound() {
    let rules = """
      rules:
        - { name: a, drift: [password-file-missing], do: reset-secret }
        - { name: a, drift: [secret-mutable], do: seal-secret }
        - { name: c, drift: [node-reprovisioned], do: reset-secret, if: { sourceAddress: any } }
        - { name: d, drift: [node-reprovisioned], do: report, if: { refusals: 3 } }
        - { name: e, drift: [password-file-empty], do: report, if: { notReadyFor: 2m } }
      """
    let found = Self.complaints(Self.head + rules).joined(separator: "\n")
    for words in [
      "which is no remedy for it", "has the name of the rule at", "say `firstComer: accept` beside it",
      "is never reached", "without a `window`", "its drift is about this machine's own files",
    ] {
      #expect(found.contains(words), "\(words) in:\n\(found)")
    }
  }

  @Test func storesSealsAndProbes() throws {
    let text = Self.head + "escrow: { store: derived, seal: [tpm2, host] }\nprobe: after-heal\n"
    let policy = try PolicyFile.parse([PolicyText(file: "p", bytes: Array(text.utf8), isDropIn: false)]).get()
    #expect(policy.escrow == .derived && policy.seals == [.tpm2, .host] && policy.probe == .afterHeal)
    for (wrong, words) in [
      ("escrow: { store: vault }", "choose from"), ("escrow: { seal: tpm2 }", "must be a list"),
      ("escrow: { seal: [tpm3] }", "did you mean `tpm2`"), ("escrow: { seal: [] }", "empty list"),
      ("escrow: { seal: [host, host] }", "stands twice"), ("probe: always", "choose from"),
      ("alerts: { unit: mail.service }", "template unit"), ("alerts: { unit: \"@.service\" }", "template unit"),
      ("alerts: { unit: \"a b@.service\" }", "template unit"),
    ] {
      let found = Self.complaints(Self.head + wrong + "\n")
      #expect(found.count == 1 && found.first?.contains(words) == true, "\(wrong): \(found)")
    }
    #expect(Self.complaints(Self.head + "alerts: { unit: none }\n").isEmpty)
  }

  @Test(arguments: [
    ("10.0.0.0/8", true), ("0.0.0.0/0", false), ("fd00::/8", true), ("::/0", false), ("2001:db8:0:0:0:0:0:1/128", true),
    ("10.0.0.0", false), ("10.0.0/8", false), ("10.0.0.0/33", false), ("fd00::/129", false), ("300.0.0.0/8", false),
    ("hello/8", false), ("1:2:3/8", false),
  ])
  func networks(_ text: String, _ isGood: Bool) {
    let rule =
      "rules:\n  - { name: a, drift: [node-reprovisioned], do: reset-secret, if: { sourceAddress: [\"\(text)\"] } }\n"
    #expect(Self.complaints(Self.head + rule).isEmpty == isGood, "\(Self.complaints(Self.head + rule))")
  }

  @Test func everyKeyIsRead() throws {
    let policy = try Self.parse(
      Self.head + """
        mode: observe
        escrow: { store: none }
        rules:
          - name: r
            nodes: { names: ["edge-*"], roles: [worker], labels: { pool: edge } }
            drift: [node-reprovisioned]
            if: { notReadyFor: 2m, refusals: 3, window: 10m, sourceAddress: any, firstComer: accept }
            do: reset-secret
        limits:
          local: { acts: 1, per: 1s }
          node: { acts: 2, per: 2m }
          cluster: { acts: 3, per: 3h }
          wave: { nodes: 4, share: 5%, within: 6m }
        timing: { settle: 0, resync: 10s, holdOff: 7s, watchHeal: 1d }
        alerts: { unit: none, from: error }
        """
    ).get()
    var expected = Policy()
    expected.mode = .observe
    expected.escrow = .none
    expected.rules = [
      Rule(
        name: "r", nodes: NodeSelector(names: ["edge-*"], roles: [.worker], labels: ["pool": "edge"]),
        drift: [.nodeReprovisioned],
        condition: Condition(
          notReadyFor: .seconds(120), refusals: 3, window: .seconds(600), sourceAddress: .any, acceptsFirstComer: true),
        remedy: .resetSecret, origin: Origin(file: "policy.yaml", line: 6, column: 5))
    ]
    expected.limits.local = Limits.Rate(acts: 1, per: .seconds(1))
    expected.limits.node = Limits.Rate(acts: 2, per: .seconds(120))
    expected.limits.cluster = Limits.Rate(acts: 3, per: .seconds(10_800))
    expected.limits.wave = Limits.Wave(nodes: 4, share: 5, within: .seconds(360))
    expected.timing.settle = .zero
    expected.timing.resync = .seconds(10)
    expected.timing.holdOff = .seconds(7)
    expected.timing.watchHeal = .seconds(86_400)
    expected.alerts.unit = nil
    expected.alerts.from = .error
    #expect(policy == expected)
  }

  /// Of another program's file the last of a key counts; and nobody waits for a long one.
  @Test func aMappingOfManyKeysIsRead() throws {
    let count = 40_000
    let text = (0..<count).map { "k\($0): \($0)\n" }.joined() + "k7: last\n"
    let root = try #require(try YAMLReader.read(Array(text.utf8), file: "config.yaml", strictness: .foreign))
    #expect(root.mapping?.count == count && root["k7"]?.scalar == "last" && root["k39999"]?.scalar == "39999")
    #expect(throws: PolicyDiagnostic.self) { try YAMLReader.read(Array(text.utf8), file: "policy.yaml") }
  }
}
