import ArgumentParser
import Glibc
import NodePasswordLinux

struct GenerateUnits: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate-units",
    abstract: "Put nodepassd-restore.service before K3s units of another name (INSTALL_K3S_NAME).",
    discussion: """
      Started by systemd through nodepassd-generator, early at boot and at each daemon-reload. Links and a drop-in are \
      written into the first directory, where nodepassd-restore.service is enabled.
      """,
    shouldDisplay: false)

  @Argument(help: "The directories that systemd gives a generator: normal, early, late.")
  var directories: [String]
  @OptionGroup var root: RootOption

  func run() throws {
    let isFirstBoot = getenv("SYSTEMD_FIRST_BOOT").map { String(cString: $0) } == "1"
    let units = RestoreUnits(paths: Paths(root: root.root))
    let obstacles = units.generate(into: directories[0], isFirstBoot: isFirstBoot)
    for obstacle in obstacles { Console.complain("Failed to generate units: \(obstacle)") }
    if !obstacles.isEmpty { throw ExitCode.failure }
  }
}
