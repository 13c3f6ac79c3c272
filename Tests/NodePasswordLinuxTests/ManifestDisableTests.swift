import Foundation
import NodePasswordCore
import NodePasswordLinux
import Testing

/// What a server is told to leave out, from wherever it is told (k3s-facts 4, 5.1).
@Suite struct ManifestDisableTests {
  private static func found(
    _ arguments: String, _ configuration: String? = nil, dropIn: String? = nil
  ) throws -> Observed<[String]> {
    let root = try PrivateRoot()
    try root.make("/var/lib/rancher/k3s/server/cred")
    try root.write(
      "[Service]\nExecStart=/usr/local/bin/k3s server \(arguments)\n", "/etc/systemd/system/k3s.service", mode: 0o644)
    try root.write("m\n", "/etc/machine-id", mode: 0o644)
    if let configuration { try root.write(configuration, "/etc/rancher/k3s/config.yaml") }
    if let dropIn { try root.write(dropIn, "/etc/rancher/k3s/config.yaml.d/10-more.yaml") }
    let installation = try #require(LinuxMachine(paths: root.paths).lookForInstallation().value)
    #expect(installation.hasServerRole)
    return installation.disabledAddons
  }

  @Test(arguments: [
    ("", []), ("--disable traefik", ["traefik"]), ("--disable=traefik", ["traefik"]),
    ("--disable traefik,servicelb --disable=metrics-server", ["traefik", "servicelb", "metrics-server"]),
    ("--disable 'traefik, servicelb'", ["traefik", "servicelb"]), ("--no-deploy coredns", ["coredns"]),
    ("--disable-cloud-controller", ["ccm"]), ("--disable-cloud-controller=false", []),
    ("--disable-network-policy --write-kubeconfig-mode 644 --disable local-storage", ["local-storage"]),
  ]) func onTheCommandLineEveryValueCounts(arguments: String, names: [String]) throws {
    #expect(try Self.found(arguments) == .present(names))
  }

  @Test func inFilesAListIsOneAndMayBeAppendedTo() throws {
    #expect(try Self.found("", "disable: traefik\n") == .present(["traefik"]))
    #expect(try Self.found("", "disable: [traefik, servicelb]\n") == .present(["traefik", "servicelb"]))
    #expect(try Self.found("", "disable: traefik\n", dropIn: "disable+: ccm\n") == .present(["traefik", "ccm"]))
    #expect(try Self.found("", "disable: traefik\n", dropIn: "disable: ccm\n") == .present(["ccm"]))
    #expect(try Self.found("", "disable-cloud-controller: true\n") == .present(["ccm"]))
    // Both count.
    #expect(try Self.found("--disable coredns", "disable: traefik\n") == .present(["traefik", "coredns"]))
  }
}
