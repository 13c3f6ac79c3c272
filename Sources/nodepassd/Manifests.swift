import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Manifests: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a server's manifests with those that were accepted; accept them, or put them back.",
    discussion: "On a server, as root; whether or not the daemon runs.",
    subcommands: [ManifestsDiff.self, ManifestsAccept.self, ManifestsRestore.self])
}

/// Which of the differences a verb is about.
struct ManifestSelection: ParsableArguments {
  @Argument(help: "Files, or folders, below server/manifests; as `diff` names them.")
  var paths: [String] = []
  @Flag(help: "All that differ.")
  var all = false

  func validate() throws {
    guard paths.isEmpty == all else { throw ValidationError("Name files, or say --all.") }
  }
}

/// The tree and the baseline, looked at once.
struct ManifestDesk {
  let root: RootOption
  let purpose: String
  let installation: Installation
  let manifests: LinuxManifests
  let baseline: FileManifestBaseline

  init(_ root: RootOption, to purpose: String) throws {
    self.root = root
    self.purpose = purpose
    guard geteuid() == 0 || !root.isReal else {
      throw Failure.exit(purpose, Obstacle(.permissionDenied, at: "nodepassd", "it is for root alone"))
    }
    let paths = Paths(root: root.root)
    switch LinuxMachine(paths: paths).lookForInstallation() {
    case .unknown(let obstacle): throw Failure.exit(purpose, obstacle)
    case .present(let found) where found.hasServerRole: installation = found
    case .present, .absent:
      Console.complain("Failed to \(purpose): there is no K3s or RKE2 server on this machine")
      throw ExitCode(EXIT_FAILURE)
    }
    manifests = LinuxManifests(paths: paths, entropy: KernelEntropy())
    baseline = FileManifestBaseline(paths: paths, entropy: KernelEntropy())
  }

  func fail(_ words: String, status: Int32 = EXIT_FAILURE) -> ExitCode {
    Console.complain("Failed to \(purpose): \(words)")
    return ExitCode(status)
  }

  func verb(_ words: String) -> String { "nodepassd manifests \(words)\(root.words)" }

  // MARK: Look

  func tree() throws -> ManifestTree {
    switch Await.value({ manifests.look(installation, $0) }).observed() {
    case .unknown(let obstacle): throw Failure.exit(purpose, obstacle)
    case .absent: ManifestTree()
    case .present(let tree): tree
    }
  }

  /// `nil`: nothing was ever accepted.
  func accepted() throws -> AcceptedManifests? {
    switch Await.value({ baseline.load($0) }).observed() {
    case .absent: return nil
    case .present(let accepted):
      if let obstacle = accepted.objection(in: installation) { throw Failure.exit(purpose, obstacle) }
      return accepted
    case .unknown(let obstacle): throw Failure.exit(purpose, obstacle)
    }
  }

  func changes() throws -> [ManifestChange] {
    guard let accepted = try accepted() else {
      throw fail(
        "there is no baseline yet. The daemon makes one at its first look; by hand: \(verb("accept --all"))",
        status: StatusReport.Verdict.unknown.exitCode)
    }
    return ManifestChange.between(try tree(), accepted)
  }

  /// Each path has to name a difference: one that is mistyped is a mistake.
  func select(_ paths: [String], of changes: [ManifestChange]) throws -> [ManifestChange] {
    guard !paths.isEmpty else { return changes }
    var selected: Set<String> = []
    for path in paths.map(relative) {
      let found = changes.filter { $0.path == path || $0.path.hasPrefix(path + "/") }.map(\.path)
      guard !found.isEmpty else {
        throw fail("“\(Plain.line(path))” does not differ from the baseline; see: \(verb("diff"))")
      }
      selected.formUnion(found)
    }
    return changes.filter { selected.contains($0.path) }
  }

  /// A path may be given in full, too.
  private func relative(_ path: String) -> String {
    let place = manifests.place(installation) + "/"
    let bare = installation.dataDirectory + LinuxManifests.directoryName + "/"
    var path = [place, bare].first(where: path.hasPrefix).map { String(path.dropFirst($0.count)) } ?? path
    while path.hasSuffix("/") { path.removeLast() }
    return path
  }

  func conclude(_ outcome: Outcome) throws {
    switch outcome {
    case .done, .answered: return
    case .surprised(let words), .lostRace(let words):
      throw fail("\(words). Nothing more was done; look again: \(verb("diff"))")
    case .failed(let obstacle), .refused(let obstacle): throw Failure.exit(purpose, obstacle)
    }
  }
}

struct ManifestsAccept: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accept",
    abstract: "Take manifests as they are now into the baseline.",
    discussion: """
      Exit status: 0 done, or there was nothing to accept; 1 failed, 77 not permitted. Copies of at most \
      256 KiB each and 32 MiB together are kept below /var/lib/nodepassd/manifests; larger ones by their SHA-256 only.
      """)

  @Argument(help: "Files, or folders, below server/manifests; as `diff` names them.")
  var paths: [String] = []
  @Flag(help: "All that differ; where there is no baseline yet, all that is there.")
  var all = false
  @Flag(
    help: """
      All that is there, in the place of a baseline that is damaged, or of another product, data directory or cluster. That \
      one is kept beside it.
      """)
  var anew = false
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func validate() throws {
    guard [!paths.isEmpty, all, anew].filter({ $0 }).count == 1 else {
      throw ValidationError("Name files, or say --all or --anew.")
    }
  }

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let desk = try ManifestDesk(root, to: "accept manifests")
    let acceptor = ManifestAcceptor(
      manifests: desk.manifests, baseline: desk.baseline, installation: desk.installation,
      now: WallTime(seconds: Int64(time(nil))))
    if anew {
      try desk.conclude(Await.value { acceptor.acceptAnew($0) })
      return render(try desk.tree().files.map(\.path), isEverything: true)
    }
    guard let accepted = try desk.accepted() else {
      guard all else { throw desk.fail("there is no baseline yet; the first takes all: \(desk.verb("accept --all"))") }
      let tree = try desk.tree()
      let everything = ManifestAcceptance.Scope.everything(tree.fingerprint, count: tree.files.count)
      try desk.conclude(Await.value { acceptor.accept(ManifestAcceptance(everything, version: nil), $0) })
      return render(tree.files.map(\.path), isEverything: true)
    }
    let changes = try desk.select(paths, of: ManifestChange.between(try desk.tree(), accepted))
    guard !changes.isEmpty else { return render([], isEverything: false) }
    let items = changes.map {
      ManifestAcceptance.Item(path: $0.path, origin: .person, file: $0.file?.identity)
    }
    try desk.conclude(Await.value { acceptor.accept(ManifestAcceptance(.changes(items), version: nil), $0) })
    render(changes.map(\.path), isEverything: false)
  }

  private func render(_ paths: [String], isEverything: Bool) {
    Renderer.render(AcceptAnswer(accepted: paths, isEverything: isEverything), as: format.output)
  }
}

private struct AcceptAnswer: Answer {
  var accepted: [String]
  /// A whole baseline, and not a change of one.
  var isEverything: Bool

  var lines: [String] {
    if isEverything { return ["accepted  \(accepted.count) manifests: they are the baseline now"] }
    return accepted.isEmpty ? ["There was nothing to accept."] : accepted.map { "accepted  \($0)" }
  }
}

struct ManifestsRestore: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Put manifests back as they were accepted.",
    discussion: """
      What was changed or removed is written anew from its private copy; what was added, and a .skip file, is removed. \
      Whatever that displaces is kept below /var/lib/nodepassd/manifests/displaced. The server applies a restored file \
      within 15 s; it removes nothing from the cluster for a file that is gone.

      Exit status: 0 done, or there was nothing to restore; 1 failed, 2 some could not be restored, 77 not permitted.
      """)

  @OptionGroup var selection: ManifestSelection
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let desk = try ManifestDesk(root, to: "restore manifests")
    let changes = try desk.select(selection.paths, of: try desk.changes())
    let (possible, hindrances) = ManifestRestore.make(for: changes)
    let restorer = ManifestRestorer(
      manifests: desk.manifests, baseline: desk.baseline, installation: desk.installation)
    try desk.conclude(Await.value { restorer.restore(possible, $0) })
    Renderer.render(RestoreAnswer(possible, hindrances), as: format.output)
    if !hindrances.isEmpty { throw ExitCode(StatusReport.Verdict.needsPerson.exitCode) }
  }
}

private struct RestoreAnswer: Answer {
  var restored: [String] = []
  var removed: [String] = []
  /// And why not.
  var left: [String]

  init(_ restores: [ManifestRestore], _ hindrances: [String]) {
    left = hindrances
    for restore in restores {
      switch restore.step {
      case .putBack: restored.append(restore.path)
      case .remove: removed.append(restore.path)
      }
    }
  }

  var lines: [String] {
    let lines =
      restored.map { "restored  \($0)" } + removed.map { "removed   \($0); a copy is kept" }
      + left.map { "LEFT      \($0)" }
    return lines.isEmpty ? ["There was nothing to restore."] : lines
  }
}
