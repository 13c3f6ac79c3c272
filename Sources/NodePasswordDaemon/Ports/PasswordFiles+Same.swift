import NodePasswordCore

/// Ends an action before it has begun.
struct Halt: Error {
  var outcome: Outcome
}

extension PasswordFiles {
  /// Reads the file that an action was planned for; another one, or none, is a surprise.
  func read(
    _ place: PasswordFilePlace, being identity: FileIdentity, named name: String = "the password file",
    _ completion: @escaping @Sendable (Result<PasswordFileReading, Halt>) -> Void
  ) {
    read(place) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failure(Halt(outcome: .failed(obstacle))))
      case .absent: completion(.failure(Halt(outcome: .surprised("\(name) is gone"))))
      case .present(let reading) where reading.identity != identity:
        completion(.failure(Halt(outcome: .surprised("\(name) is another by now"))))
      case .present(let reading): completion(.success(reading))
      }
    }
  }

  /// As before, and its password; one that holds none is another by now.
  func readPassword(
    being identity: FileIdentity, _ completion: @escaping @Sendable (Result<NodePassword, Halt>) -> Void
  ) {
    read(.node, being: identity) { answer in
      completion(
        answer.flatMap { reading in
          reading.password.map { .success($0) }
            ?? .failure(Halt(outcome: .surprised("the password file is another by now")))
        })
    }
  }
}
