import Foundation
import NodePasswordCore
import NodePasswordDaemon
import Testing

/// `nodepassd manifests`, run as an operator runs it, on the trees that real servers leave.
@Suite(.enabled(if: Program.isBuilt)) struct ManifestVerbTests {
  private static func run(_ root: PrivateRoot, _ words: String...) throws -> Program.Answer {
    try Program.run(["manifests"] + words + ["--root", root.path])
  }

  private static let trees = ManifestServerTree.all

  @Test(arguments: trees) func eachKindOfDriftIsShownAndPutBack(tree: ManifestServerTree) throws {
    let root = try tree.make()
    #expect(try Self.run(root, "diff").status == 3)
    let accepted = try Self.run(root, "accept", "--all")
    #expect(accepted.status == 0 && accepted.output.contains("\(tree.files.count + 1) manifests"), "\(accepted.all)")
    let same = try Self.run(root, "diff")
    #expect(same.status == 0 && same.output.contains("as they were accepted"), "\(same.all)")

    let before = try #require(root.read("\(tree.place)/\(tree.packaged)"))
    try root.write("kind: Hacked\n", "\(tree.place)/\(tree.packaged)")
    try root.remove("\(tree.place)/mine.yaml")
    try root.write("kind: New\n", "\(tree.place)/sub/new.json")
    try root.write("", "\(tree.place)/\(tree.files[0]).skip")
    let diff = try Self.run(root, "diff")
    #expect(diff.status == 2)
    for line in [
      "changed  \(tree.packaged)", "removed  mine.yaml", "added  sub/new.json", "skipped  \(tree.files[0]).skip",
    ] { #expect(diff.output.contains(line), "\(line) in \(diff.output)") }
    // What is in them is for a terminal only.
    #expect(!diff.all.contains("Hacked") && !diff.all.contains("kind:"))

    let restored = try Self.run(root, "restore", "--all")
    #expect(restored.status == 0, "\(restored.all)")
    #expect(root.read("\(tree.place)/\(tree.packaged)") == before)
    #expect(root.read("\(tree.place)/mine.yaml") == "# mine.yaml of \(tree.name)\nkind: List\n")
    #expect(root.read("\(tree.place)/sub/new.json") == nil && root.read("\(tree.place)/\(tree.files[0]).skip") == nil)
    #expect(try Self.run(root, "diff").status == 0)
    let displaced = root.names("/var/lib/nodepassd/manifests/displaced")
    #expect(displaced.count == 3)
  }

  @Test func acceptingIsForWhatIsNamed() throws {
    let tree = Self.trees[2]
    let root = try tree.make()
    #expect(try Self.run(root, "accept", "mine.yaml").status == 1)
    #expect(try Self.run(root, "accept", "--all").status == 0)
    try root.write("kind: A\n", "\(tree.place)/mine.yaml")
    try root.write("kind: B\n", "\(tree.place)/metrics-server/auth-reader.yaml")
    let one = try Self.run(root, "accept", "\(tree.place)/mine.yaml")
    #expect(one.status == 0 && one.output == "accepted  mine.yaml\n", "\(one.all)")
    let rest = try Self.run(root, "diff", "--output", "json")
    #expect(rest.status == 2 && !rest.output.contains("mine.yaml") && rest.output.contains("auth-reader.yaml"))
    #expect(!rest.output.contains("kind: B"))
    #expect(try Self.run(root, "accept", "metrics-server/").status == 0)
    #expect(try Self.run(root, "diff").status == 0)
    #expect(try Self.run(root, "restore", "--all").output == "There was nothing to restore.\n")
  }

  @Test func linesAreShownOnATerminal() throws {
    let tree = Self.trees[2]
    let root = try tree.make()
    #expect(try Self.run(root, "accept", "--all").status == 0)
    try root.write("# mine.yaml of \(tree.name)\nkind: Other\u{1b}[31m\n", "\(tree.place)/mine.yaml")
    let diff = try Program.runOnTerminal(["manifests", "diff", "--root", root.path])
    #expect(diff.all.contains("-kind: List") && diff.all.contains("+kind: Other"), "\(diff.all)")
    #expect(diff.all.contains(" # mine.yaml of") && !diff.all.contains("\u{1b}[31m"))
  }

  @Test func mistakesAreSaidWithWhatToDo() throws {
    let tree = Self.trees[2]
    let root = try tree.make()
    #expect(try Self.run(root, "accept", "--all").status == 0)
    let unknown = try Self.run(root, "restore", "nosuch.yaml")
    #expect(unknown.status == 1 && unknown.complaint.contains("Failed to restore manifests: “nosuch.yaml”"))
    #expect(unknown.complaint.contains("nodepassd manifests diff"))
    #expect(try Self.run(root, "restore").status == 64)
    #expect(try Self.run(root, "accept").status == 64)
    #expect(try Self.run(root, "accept", "--all", "--anew").status == 64)
    let list = "/var/lib/nodepassd/manifests/list"
    try root.write("damage", list)
    for verb in [["diff"], ["accept", "--all"], ["restore", "--all"]] {
      let answer = try Program.run(["manifests"] + verb + ["--root", root.path])
      #expect(answer.status == 1 && answer.complaint.contains("accept --anew"), "\(answer.all)")
    }
    #expect(root.read(list) == "damage")
    #expect(try Self.run(root, "accept", "--anew").status == 0)
    #expect(try Self.run(root, "diff").status == 0)
    #expect(root.read(list + ".damaged-1") == "damage")
  }

  /// What was accepted of one product, or of one data directory, is never held against another's.
  @Test func anotherProductsBaselineIsNoBaseline() throws {
    let tree = Self.trees[2]
    let root = try tree.make()
    #expect(try Self.run(root, "accept", "--all").status == 0)
    let list = "/var/lib/nodepassd/manifests/list"
    let accepted = try AcceptedManifestsDocument.decode(try #require(root.read(list)))
    var other = accepted
    other.place = "another"
    try root.write(AcceptedManifestsDocument.encode(other), list)
    for verb in [["diff"], ["restore", "--all"], ["accept", "mine.yaml"]] {
      let answer = try Program.run(["manifests"] + verb + ["--root", root.path])
      #expect(answer.status != 0 && answer.complaint.contains("accept --anew"), "\(answer.all)")
    }
    #expect(try Self.run(root, "accept", "--anew").status == 0)
    #expect(try Self.run(root, "diff").status == 0)
  }

  @Test func withoutAServerThereIsNothingToCompare() throws {
    let root = try PrivateRoot()
    let answer = try Self.run(root, "diff")
    #expect(answer.status == 1 && answer.complaint.contains("no K3s or RKE2 server"))
  }

  @Test func whatCannotBeRestoredIsSaid() throws {
    let tree = Self.trees[2]
    let root = try tree.make()
    try root.write(String(repeating: "#", count: 300_000), "\(tree.place)/mine.yaml")
    #expect(try Self.run(root, "accept", "--all").status == 0)
    try root.write("kind: A\n", "\(tree.place)/mine.yaml")
    let answer = try Self.run(root, "restore", "--all")
    #expect(answer.status == 2 && answer.output.contains("LEFT      mine.yaml has no copy"), "\(answer.all)")
    #expect(root.read("\(tree.place)/mine.yaml") == "kind: A\n")
  }
}

/// The daemon as an operator starts it, over such a tree.
@Suite(.enabled(if: Program.isBuilt)) struct ManifestDaemonTests {
  private static let policy = """
    apiVersion: nodepassd.io/v1
    kind: Policy
    rules:
      - { name: keep, drift: [manifest-changed, manifest-removed], do: restore-manifest }
      - { name: wait, drift: [manifest-added], do: hold }
    timing: { holdOff: 100ms, settle: 20ms }

    """

  @Test(.timeLimit(.minutes(15)), arguments: ManifestServerTree.all)
  func driftIsReportedHeldRestoredAndAccepted(tree: ManifestServerTree) throws {
    let root = try tree.make()
    try root.write(Self.policy, "/etc/nodepassd/policy.yaml", mode: 0o644)
    let daemon = try RunningDaemon(root)
    defer { daemon.stop() }
    let first = try #require(daemon.line { $0.contains("kind=manifests-accepted") })
    #expect(first.contains("first-look") && first.contains("\(tree.files.count + 1)"), "\(first)")

    // A person's own file is put back.
    let mine = "\(tree.place)/mine.yaml"
    let before = root.read(mine)
    try root.write("kind: Hacked\n", mine)
    #expect(daemon.line { $0.contains("kind=healed") && $0.contains("manifest-changed") } != nil)
    #expect(root.read(mine) == before)
    try root.remove(mine)
    #expect(daemon.line { $0.contains("kind=healed") && $0.contains("manifest-removed") } != nil)
    #expect(root.read(mine) == before)

    // Whether the server's start has written a packaged one is not known here: there is no unit to ask.
    try root.write("kind: Newer\n", "\(tree.place)/\(tree.packaged)")
    let held = daemon.line {
      $0.contains("kind=held") && $0.contains("manifest-changed") && $0.contains("decision=hold")
    }
    #expect(held?.contains("not known") == true)
    #expect(root.read("\(tree.place)/\(tree.packaged)") == "kind: Newer\n")

    // By a rule, and by none.
    try root.write("kind: New\n", "\(tree.place)/new.yaml")
    #expect(daemon.line { $0.contains("kind=held") && $0.contains("manifest-added") } != nil)
    try root.write("", "\(tree.place)/mine.yaml.skip")
    #expect(daemon.line { $0.contains("kind=reported") && $0.contains("manifest-skipped") } != nil)

    let explained = try Program.run(["explain", "--root", root.path])
    for word in ["manifest-added", "new.yaml", "manifest-skipped", "mine.yaml.skip"] {
      #expect(explained.output.contains(word), "\(word): \(explained.output)")
    }
    // A person's word ends all of it.
    #expect(try Program.run(["manifests", "accept", "--all", "--root", root.path]).status == 0)
    for drift in ["manifest-added", "manifest-changed", "manifest-skipped"] {
      #expect(daemon.gone(drift), "\(drift) is still told")
    }
    #expect(!daemon.everything.contains("Hacked") && !daemon.everything.contains("kind: New"))
  }

  @Test(.timeLimit(.minutes(15))) func observeModeKeepsItsBaselineAndTouchesNothing() throws {
    let tree = ManifestServerTree.all[2]
    let root = try tree.make()
    try root.write(Self.policy + "mode: observe\n", "/etc/nodepassd/policy.yaml", mode: 0o644)
    let daemon = try RunningDaemon(root)
    defer { daemon.stop() }
    #expect(daemon.line { $0.contains("kind=manifests-accepted") } != nil)
    try root.write("kind: Hacked\n", "\(tree.place)/mine.yaml")
    #expect(daemon.line { $0.contains("kind=reported") && $0.contains("manifest-changed") } != nil)
    #expect(root.read("\(tree.place)/mine.yaml") == "kind: Hacked\n")
  }
}
