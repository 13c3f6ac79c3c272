import NodePasswordCore

/// Whom a change is news for.
struct WatchInterest: OptionSet, Hashable, Sendable {
  let rawValue: Int

  static let machine = WatchInterest(rawValue: 1)
  static let policy = WatchInterest(rawValue: 2)
  /// A part of the way to a watched file: what lies behind it may be another by now.
  static let way = WatchInterest(rawValue: 4)
  static let legacyFile = WatchInterest(rawValue: 8)
  static let credentials = WatchInterest(rawValue: 16)
  static let manifests = WatchInterest(rawValue: 32)

  /// Who is woken for what, but for the policy, and for the manifests, which are told of apart.
  static let subjects: [(interest: WatchInterest, subject: Subject)] = [
    (.machine, .machine), (.legacyFile, .legacyFile), (.credentials, .credentials),
  ]
}

/// One file to watch, there or not; or a directory of which certain files count.
struct WatchTarget: Hashable, Sendable {
  private static let documents = [".yaml", ".yml"]

  /// As the machine knows it, without the prefix of a made-up root.
  var path: String
  /// Whom it is news for.
  var interest = WatchInterest.machine
  /// The path is a directory, and each name in it with one of these ends counts. Empty: the path is the file.
  var suffixes: [String] = []
  /// Whether folders within that directory are watched, too.
  var folders = Folders.none

  enum Folders: Hashable, Sendable {
    case none
    case all
    /// And those that a link leads to, but no link within one of those.
    case allAndLinked
  }

  var isDirectory: Bool { !suffixes.isEmpty }

  /// Manifests lie in a tree that may be large, and that others may have made: watched apart from the rest, after it.
  var isOfTree: Bool { interest == .manifests }

  /// The files that decide about this machine's node password (k3s-facts 1.1, 1.2, 1.3, 1.6, 5.1 and 5.2), and where
  /// nothing is known to be installed those of both products.
  static func machine(_ installation: Installation?) -> [WatchTarget] {
    guard let installation else {
      return Distribution.allCases.flatMap { distribution in
        files(
          nodeDirectory: "/etc/rancher/node", dataDirectory: distribution.defaultDataDirectory,
          dropIns: standardDropIns(distribution))
      }
    }
    let dropIns = installation.configurationDropIns.value ?? standardDropIns(installation.distribution)
    return files(
      nodeDirectory: SplitPath(installation.passwordPath).directory, dataDirectory: installation.dataDirectory,
      dropIns: dropIns) + (installation.unit.map(unitFiles) ?? [])
      + (installation.hasServerRole ? server(installation) + manifests(installation) : [])
  }

  /// What lies below `server/` and has a look of its own (k3s-facts 3.2).
  private static func server(_ installation: Installation) -> [WatchTarget] {
    let directory = "\(installation.dataDirectory)/server"
    // The folders for their modes, and for coming and going.
    let names = ["", "/cred", "/token", "/node-token", "/agent-token", "/tls/server-ca.crt"]
    let keys = ["/tls", "/tls/etcd"].map {
      WatchTarget(path: directory + $0, interest: .credentials, suffixes: [CredentialFile.keySuffix])
    }
    return names.map { WatchTarget(path: directory + $0, interest: .credentials) } + keys
      + [WatchTarget(path: "\(directory)/cred", interest: .credentials, suffixes: [""])]
      + [WatchTarget(path: installation.legacyPasswordPath, interest: .legacyFile)]
  }

  /// What K3s walks (k3s-facts 4), and the list of what was accepted of it, which a verb may change.
  private static func manifests(_ installation: Installation) -> [WatchTarget] {
    [
      WatchTarget(
        path: installation.dataDirectory + LinuxManifests.directoryName, interest: .manifests,
        suffixes: ManifestName.manifestSuffixes + [ManifestName.skipSuffix], folders: .allAndLinked),
      WatchTarget(path: Paths.manifestBaseline + "/list", interest: .manifests),
    ]
  }

  private static func standardDropIns(_ distribution: Distribution) -> String {
    "\(distribution.configurationDirectory)/config.yaml.d"
  }

  /// - Parameter dropIns: the configuration file's name and `.d`.
  private static func files(nodeDirectory: String, dataDirectory: String, dropIns: String) -> [WatchTarget] {
    [
      "\(nodeDirectory)/password", "\(nodeDirectory)/id",
      "\(dataDirectory)/agent/node-password.txt", "\(dataDirectory)/agent/serving-kubelet.crt",
      "\(dataDirectory)/agent/client-kubelet.crt", "\(dataDirectory)/server/cred", String(dropIns.dropLast(2)),
    ].map { WatchTarget(path: $0) } + [WatchTarget(path: dropIns, suffixes: documents)]
  }

  /// Where the installers put a unit, its drop-ins and its environment. Another file that `EnvironmentFile=` names, and a
  /// drop-in elsewhere, are seen by the resync timer: to learn of them, the unit would have to be read here too.
  private static func unitFiles(_ unit: String) -> [WatchTarget] {
    let stem = unit.hasSuffix(".service") ? String(unit.dropLast(".service".count)) : unit
    let directories = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"]
    let units = directories.flatMap { ["\($0)/\(unit)", "\($0)/\(unit).env", "\($0)/\(stem).env"] }
    return (units + ["/etc/default/\(stem)", "/etc/sysconfig/\(stem)"]).map { WatchTarget(path: $0) }
      + [WatchTarget(path: "\(directories[0])/\(unit).d", suffixes: [".conf"])]
  }

  /// The same for a folder in it.
  func folder(_ name: String) -> WatchTarget {
    var folder = self
    folder.path += "/\(name)"
    return folder
  }

  /// The policy and its drop-ins.
  static let policy = [
    WatchTarget(path: "/etc/nodepassd/policy.yaml", interest: .policy),
    WatchTarget(path: "/etc/nodepassd/policy.d", interest: .policy, suffixes: documents),
  ]
}

/// What one watched directory is watched for.
struct WatchedDirectory: Sendable {
  var names: [String: WatchInterest] = [:]
  /// Whom every file with such an end is news for, but our own temporary files.
  var documents: [String: WatchInterest] = [:]
  /// Whom folders, and links that may lead to some, are news for.
  var folders: WatchInterest = []
  /// Of everything behind it: for when the directory itself goes.
  var everything: WatchInterest = []

  mutating func add(_ name: String, _ interest: WatchInterest) {
    names[name, default: []].formUnion(interest)
    everything.formUnion(interest.subtracting(.way))
  }

  func interest(in event: InotifyEvent) -> WatchInterest {
    let name = event.name
    var interest = names[name] ?? []
    guard !name.hasPrefix(AtomicFile.temporaryPrefix) else { return interest }
    // Of a name that came or went it cannot be told what it was; and a folder may be open to us from now on.
    if event.has(InotifyMask.comingOrGoing) || event.isFolderChanged { interest.formUnion(folders) }
    for (suffix, readers) in documents where name.lowercased().hasSuffix(suffix) { interest.formUnion(readers) }
    return interest
  }
}
