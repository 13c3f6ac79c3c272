import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// What lies below `server/`, explained one after the other.
struct ServerFileAsker {
  let ports: Ports

  /// How long a first list of Nodes and Secrets is waited for.
  private static let patience = DispatchTimeInterval.seconds(5)

  /// At each of the server's files, settled, as one look cannot tell how long they have rested.
  func look(
    _ installation: Installation, _ circumstances: Circumstances
  ) -> [(seen: ServerFilesObservation, explanation: Explanation)] {
    Subject.ServerFiles.allCases.compactMap { files in
      var found = look(at: files, installation)
      if case .legacyFile(let file) = found, file.lacksCensus, sync(installation.distribution) {
        found = look(at: files, installation)
      }
      guard let seen = found else { return nil }
      var circumstances = circumstances
      circumstances.serverFiles.note(seen, at: Moment(nanoseconds: 0))
      return (seen, Explanation.explain(.serverFiles(files), .serverFiles(seen), circumstances))
    }
  }

  private func look(at files: Subject.ServerFiles, _ installation: Installation) -> ServerFilesObservation? {
    let look = Await.value {
      Observer(ports: ports).observe(.serverFiles(files), installation, Inquiry(), $0)
    }
    return if case .serverFiles(let seen) = look { seen } else { nil }
  }

  /// The running daemon has the watches; here they are put up for one list of names. False: it did not come.
  private func sync(_ distribution: Distribution) -> Bool {
    let told = DispatchSemaphore(value: 0)
    ports.clusterWatch.start(distribution) { _, cause in
      if cause == .apiConnected || cause == .apiLost { told.signal() }
    }
    return told.wait(timeout: .now() + Self.patience) == .success
  }
}
