import NodePasswordCore

/// A check that was put off because the Secret could not be created (k3s-facts 2.5).
struct DeferredCheck: Sendable {
  var password: [UInt8]
  var next: WallTime
}

extension ServerModel {
  /// Decides whether `name` may have a certificate: makes its Secret or checks the password against it.
  /// Answers what the unit logs about an acceptance.
  mutating func admit(_ name: String, _ password: [UInt8], at time: WallTime) throws(SupervisorRefusal) -> [JournalLine]
  {
    if version.keepsPasswordsInFile {
      try admitByRow(name, password)
      return []
    }
    if phase == .coreNotReady {
      guard name == configuration.ownNode?.rawValue else {
        throw SupervisorRefusal(code: 503, words: "runtime core not ready")
      }
      return try admitLocally(name, password, at: time)
    }
    do throws(EnsureFailure) {
      try ensure(name, password, at: time)
      return []
    } catch {
      switch error {
      case .rejected(let words): throw SupervisorRefusal(code: 403, words: words)
      case .unavailable(let words):
        // Up to 1.26.5 whatever goes wrong looks like a wrong password (k3s#7654).
        guard version.defersVerification else { throw SupervisorRefusal(code: 403, words: words) }
        if controllers.everDeferred.insert(name).inserted {
          controllers.deferred[name] = DeferredCheck(password: password, next: time + .seconds(5))
        }
        return [
          JournalLine(time: time, level: .info, message: "Password verification deferred for node \(name)")
        ]
      }
    }
  }

  /// The server's own node while the core starts: its file decides (k3s-facts 2.5).
  private func admitLocally(_ name: String, _ password: [UInt8], at time: WallTime) throws(SupervisorRefusal)
    -> [JournalLine]
  {
    guard let ownPassword, ownPassword != password else {
      guard version.defersVerification else { return [] }
      return [JournalLine(time: time, level: .info, message: "Password verified locally for node \(name)")]
    }
    // Until 1.26.4 a wrong error variable let everyone in.
    guard version.refusesLocalMismatch else { return [] }
    throw SupervisorRefusal(code: 403, words: "unable to verify local node password: hash does not match")
  }

  /// Why `ensure` did not.
  enum EnsureFailure: Error {
    /// The stored hash speaks against the password, or is unusable.
    case rejected(String)
    /// The Secret could not be made.
    case unavailable(String)
  }

  /// Makes the Secret where there is none, else checks the password against it (k3s-facts 2.3).
  mutating func ensure(_ name: String, _ password: [UInt8], at time: WallTime) throws(EnsureFailure) {
    let key = ObjectKey(namespace: Distribution.secretNamespace, name: secretName(name))
    if let secret = store.object(.secrets, key) { return try verify(name, password, secret) }
    let salt = entropy.bytes(8)
    guard let hash = StoredHash.make(password, salt: salt, keyDerivation) else {
      throw .unavailable("scrypt: parameters are too large")
    }
    let secret: JSONValue = [
      "metadata": ["name": .string(key.name)], "type": .string(secretType), "immutable": true,
      "data": ["hash": .string(Base64.encode(hash.utf8))],
    ]
    do throws(APIFailure) {
      _ = try create(.secrets, namespace: key.namespace, secret, options: WriteOptions(time: time))
    } catch {
      throw .unavailable(error.message)
    }
  }

  private func verify(_ name: String, _ password: [UInt8], _ secret: JSONValue) throws(EnsureFailure) {
    let isNew = version.defersVerification
    func words(_ detail: String) -> String {
      isNew
        ? "unable to verify password for node \(name): \(detail)"
        : "unable to verify hash for node '\(name)': \(detail)"
    }
    guard let encoded = secret.at("data", "hash")?.text, let bytes = try? Base64.decode(encoded) else {
      let detail = "unable to locate hash data for node secret '\(secretName(name))'"
      throw .rejected(isNew ? words(detail) : detail)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    if let objection = StoredHash.objection(password, text, keyDerivation) { throw .rejected(words(objection)) }
  }

  /// The name of a node's Secret; nodes may have names that are none of Kubernetes'.
  func secretName(_ node: String) -> String { "\(node).node-password.\(distribution.rawValue)" }
}
