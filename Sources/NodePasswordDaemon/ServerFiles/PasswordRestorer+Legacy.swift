import NodePasswordCore

extension PasswordRestorer {
  /// Puts the password of this machine's own row there. Only in K3s up to 1.19 the server can give one back (k3s-facts 2.1).
  func copyLegacyEntry(_ copy: LegacyCopy, _ completion: @escaping @Sendable (Outcome) -> Void) {
    ports.legacyPasswords.read(installation) { answer in
      switch answer.observed() {
      case .absent: completion(.surprised("the server's file of passwords is gone"))
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .present(let reading):
        guard reading.identity == copy.row, let password = reading.file.password(of: copy.name, copy.order),
          password.fitsFile
        else { return completion(.surprised("the server's file of passwords is another by now")) }
        documentForDisplaced(besideAccepted: true) { document in
          switch document {
          case .failure(let obstacle): completion(.failed(obstacle))
          case .success(let document):
            keepDisplaced(copy.password, document) { kept in
              if let outcome = kept { return completion(outcome) }
              ports.passwordFiles.restore(password, over: copy.password) { completion(Outcome($0)) }
            }
          }
        }
      }
    }
  }
}
