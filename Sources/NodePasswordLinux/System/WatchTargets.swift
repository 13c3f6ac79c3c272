import NodePasswordCore

/// Whom a change is news for.
struct WatchInterest: OptionSet, Sendable {
  let rawValue: Int

  static let machine = WatchInterest(rawValue: 1)
  static let policy = WatchInterest(rawValue: 2)
  /// A part of the way to a watched file: what lies behind it may be another by now.
  static let way = WatchInterest(rawValue: 4)
}

/// One file to watch, there or not; or a directory whose `*.yaml` and `*.yml` files are.
struct WatchTarget: Hashable, Sendable {
  /// As the machine knows it, without the prefix of a made-up root.
  var path: String
  var isPolicy = false
  /// The path is a directory, and each `*.yaml` in it counts.
  var isDirectory = false

  /// The files that decide about this machine's node password (k3s-facts 1.1, 1.2, 1.3, 1.6 and 5.1), and where nothing
  /// is known to be installed those of both products.
  static func machine(_ installation: Installation?) -> [WatchTarget] {
    guard let installation else {
      return Distribution.allCases.flatMap { distribution in
        files(
          of: distribution, nodeDirectory: "/etc/rancher/node", dataDirectory: distribution.defaultDataDirectory)
      }
    }
    let way = installation.passwordPath.split(separator: "/").dropLast()
    return files(
      of: installation.distribution, nodeDirectory: way.map { "/\($0)" }.joined(),
      dataDirectory: installation.dataDirectory)
  }

  private static func files(
    of distribution: Distribution, nodeDirectory: String, dataDirectory: String
  ) -> [WatchTarget] {
    [
      "\(nodeDirectory)/password", "\(nodeDirectory)/id",
      "\(dataDirectory)/agent/node-password.txt", "\(dataDirectory)/agent/serving-kubelet.crt",
      "\(dataDirectory)/agent/client-kubelet.crt", "\(dataDirectory)/server/cred",
      "\(distribution.configurationDirectory)/config.yaml",
    ].map { WatchTarget(path: $0) } + [
      WatchTarget(path: "\(distribution.configurationDirectory)/config.yaml.d", isDirectory: true)
    ]
  }

  /// The policy and its drop-ins.
  static let policy = [
    WatchTarget(path: "/etc/nodepassd/policy.yaml", isPolicy: true),
    WatchTarget(path: "/etc/nodepassd/policy.d", isPolicy: true, isDirectory: true),
  ]

  var interest: WatchInterest { isPolicy ? .policy : .machine }
}

/// What one watched directory is watched for.
struct WatchedDirectory: Sendable {
  var names: [String: WatchInterest] = [:]
  /// Whom every `*.yaml` is news for, but our own temporary files.
  var documents: WatchInterest = []
  /// Of everything behind it: for when the directory itself goes.
  var everything: WatchInterest = []

  mutating func add(_ name: String, _ interest: WatchInterest) {
    names[name, default: []].formUnion(interest)
    everything.formUnion(interest.subtracting(.way))
  }

  func interest(in name: String) -> WatchInterest {
    var interest = names[name] ?? []
    if [".yaml", ".yml"].contains(where: name.lowercased().hasSuffix), !name.hasPrefix(AtomicFile.temporaryPrefix) {
      interest.formUnion(documents)
    }
    return interest
  }
}
