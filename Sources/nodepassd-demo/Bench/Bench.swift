import ArgumentParser
import Glibc

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the daemon on this machine, beside what else could do the job.",
    discussion:
      "Ratios are of one run on one machine, so they hold where absolute times do not. Compares with inotifywait and "
      + "Python's hashlib.scrypt where they are installed, and says so where they are not.")

  @Option(help: "Measurements of each thing that is timed.")
  var samples = 200
  @Option(help: "Minutes of resyncs before the resident memory is read.")
  var idleMinutes = 10
  @Option(help: "Only the part whose title begins so, e.g. cluster.")
  var only = ""
  @Option(help: "Where files are written: a real disk, not a tmpfs.")
  var place = "/var/tmp"

  func validate() throws {
    guard samples >= 10, idleMinutes >= 1 else {
      throw ValidationError("at least 10 samples and 1 minute, or the figures mean nothing")
    }
  }

  func run() throws {
    var failures = 0
    let stages: [(String, () throws -> Void)] = [
      ("Password file removed → restored", { try HealBench(place: place, samples: samples).run() }),
      ("Start → READY, agent (budget 100 ms)", { try StartBench(place: place, samples: min(samples, 30)).run() }),
      ("One hash check (budget 1.05× of libcrypto's scrypt)", { try HashBench(samples: min(samples, 30)).run() }),
      (
        "Cluster (budget: first sync 3 s; 1,000 events a second 10 % of one core)",
        { try ClusterBench(place: place).run() }
      ),
      ("Manifests", { try ManifestBench(place: place).run() }),
      ("Refused at once", { try RefusalBench().run() }),
      ("Legacy file of 100,000 rows", { try LegacyBench(place: place, samples: min(samples, 20)).run() }),
      ("Idle", { try IdleBench(place: place, minutes: idleMinutes).run() }),
    ]
    for (title, stage) in stages where title.lowercased().hasPrefix(only.lowercased()) {
      DemoOutput.write("\(title)\n")
      do {
        try stage()
      } catch {
        failures += 1
        BenchText.row("Failed to measure", "\(error)")
      }
    }
    if failures > 0 { throw ExitCode.failure }
  }
}
