import Glibc
import NodePasswordCore
import NodePasswordLinux
import Testing

/// Where an administrator's units are.
let systemdUnits = "/etc/systemd/system"

/// What the finder must answer; each field is looked at.
struct ExpectedInstallation: Equatable {
  var distribution: Distribution
  var unit: String?
  var hasServerRole = false
  var hasAgentRole = true
  /// `nil`: unknown; empty: absent.
  var nodeName: String?
  var dataDirectory: String
  var passwordPath = "/etc/rancher/node/password"
  /// `nil`: unknown; `absent`: absent.
  var dropIns: String?
  /// `nil`: unknown.
  var logsToJournal: Bool?

  init(
    _ distribution: Distribution, unit: String?, hasServerRole: Bool = false, hasAgentRole: Bool = true,
    nodeName: String? = "host", dataDirectory: String? = nil, passwordPath: String = "/etc/rancher/node/password",
    dropIns: String? = "", logsToJournal: Bool? = true
  ) {
    self.distribution = distribution
    self.unit = unit
    self.hasServerRole = hasServerRole
    self.hasAgentRole = hasAgentRole
    self.nodeName = nodeName
    self.dataDirectory = dataDirectory ?? "/var/lib/rancher/\(distribution)"
    self.passwordPath = passwordPath
    self.dropIns = dropIns == "" ? "/etc/rancher/\(distribution)/config.yaml.d" : dropIns
    self.logsToJournal = logsToJournal
  }

  init(found: Installation) {
    self.init(
      found.distribution, unit: found.unit, hasServerRole: found.hasServerRole, hasAgentRole: found.hasAgentRole,
      nodeName: found.nodeName.isAbsent ? "" : found.nodeName.value?.rawValue, dataDirectory: found.dataDirectory,
      passwordPath: found.passwordPath,
      dropIns: found.configurationDropIns.isAbsent ? "absent" : found.configurationDropIns.value,
      logsToJournal: found.logsToJournal.value)
  }
}

func lookForInstallation(_ root: ScratchRoot, home: String? = nil) -> Observed<Installation> {
  LinuxMachine(paths: root.paths, home: home, hostname: { .present("host") }).lookForInstallation()
}

/// What to lay out, and what must be found.
struct Oddity: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var home: String?
  var expected: ExpectedInstallation
  var layOut: @Sendable (ScratchRoot) throws -> Void

  init(
    _ description: String, home: String? = nil, _ expected: ExpectedInstallation,
    _ layOut: @escaping @Sendable (ScratchRoot) throws -> Void
  ) {
    testDescription = description
    self.home = home
    self.expected = expected
    self.layOut = layOut
  }

  func check() throws {
    let root = try ScratchRoot()
    try layOut(root)
    let answer = lookForInstallation(root, home: home)
    let installation = try #require(answer.value, "\(answer)")
    #expect(ExpectedInstallation(found: installation) == expected)
  }
}

extension ScratchRoot {
  func unit(
    _ name: String, _ command: String, in directory: String = systemdUnits, more: String = "", isEnabled: Bool = true
  ) throws {
    try write("\(directory)/\(name)", "[Service]\n\(more)ExecStart=\(command)\n")
    if isEnabled { try enable(name) }
  }

  func enable(_ name: String, by wants: String = "\(systemdUnits)/multi-user.target.wants") throws {
    try make(wants)
    try link("\(wants)/\(name)", to: "/somewhere/\(name)")
  }

  func joined(_ data: String, at time: Int) throws {
    try write("\(data)/agent/client-kubelet.crt", "not looked into here")
    let times = [timespec(tv_sec: time, tv_nsec: 0), timespec(tv_sec: time, tv_nsec: 0)]
    guard utimensat(AT_FDCWD, "\(path)\(data)/agent/client-kubelet.crt", times, 0) == 0 else { throw TooLate() }
  }

  /// As K3s's installer writes it for OpenRC (k3s-facts 5.2).
  func initScript(_ name: String, _ arguments: String, more: String = "") throws {
    try write(
      "/etc/init.d/\(name)",
      """
      #!/sbin/openrc-run

      supervisor=supervise-daemon
      name=\(name)
      command="/usr/local/bin/k3s"
      command_args="\(arguments) \\
          >>/var/log/\(name).log 2>&1"
      output_log=/var/log/\(name).log
      \(more)
      set -o allexport
      if [ -f /etc/environment ]; then . /etc/environment; fi
      if [ -f /etc/rancher/k3s/\(name).env ]; then . /etc/rancher/k3s/\(name).env; fi
      set +o allexport

      """)
  }
}

extension ScratchRoot {
  func remove(_ file: String, ifThere: Bool) throws {
    if !ifThere || Paths.exists(path + file) { try remove(file) }
  }
}
