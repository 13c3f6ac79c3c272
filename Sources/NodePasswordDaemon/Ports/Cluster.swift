import NodePasswordCore

/// The node-password Secrets of the cluster, over the Kubernetes API, and nothing else of it.
package protocol NodePasswordSecrets: Sendable {
  func get(_ name: String, _ completion: @escaping Completion<Observed<SecretReading>>)

  /// Answers the new Secret's identity. A name that is taken is `.alreadyExists`, not an error. With `dryRun` the server
  /// checks everything and stores nothing.
  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>)

  /// Deletes exactly this Secret at exactly this version: both go along as preconditions, in the body (observed-k3s 11).
  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>)

  /// Sets `immutable: true` on exactly this version.
  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>)

  /// All node-password Secrets' identities, in pages of at most `pageSize`.
  func list(pageSize: Int, _ completion: @escaping Completion<[SecretIdentity]>)

  /// Wakes after each change of the Secret of that name, after each loss of the watch and after each return of it.
  /// Reconnects by itself with backoff, from the start after a 410. Only the newest watch of a port is in force.
  func watch(_ name: String, wake: @escaping @Sendable (WakeCause) -> Void)
  func stopWatching()
}

package enum SecretCreation: Hashable, Sendable {
  case created(SecretIdentity)
  case alreadyExists
}

package enum SecretDeletion: Hashable, Sendable {
  case deleted
  /// There is none of that name any more.
  case notFound
  /// Another uid or another version is there now; the server's words.
  case conflict(String)
}

package enum SecretSeal: Hashable, Sendable {
  case sealed(SecretIdentity)
  case notFound
  case conflict(String)
}

/// A Secret as read. The hash goes to the verifier and nowhere else.
package struct SecretReading: Sendable {
  package var identity: SecretIdentity
  package var type: String
  package var isImmutable: Bool
  package var isBeingDeleted: Bool
  /// The value under `hash`, decoded from base64; `nil`: there is no such key.
  package var hash: SecretBytes?

  package init(identity: SecretIdentity, type: String, isImmutable: Bool, isBeingDeleted: Bool, hash: SecretBytes?) {
    self.identity = identity
    self.type = type
    self.isImmutable = isImmutable
    self.isBeingDeleted = isBeingDeleted
    self.hash = hash
  }
}

/// A Secret to be made: immutable always.
package struct SecretDraft: Sendable {
  package var name: String
  package var type: String
  package var hash: SecretBytes
  /// The owning Node's name and uid.
  package var owner: Owner?

  package struct Owner: Hashable, Sendable {
    package var node: NodeName
    package var uid: String

    package init(node: NodeName, uid: String) {
      self.node = node
      self.uid = uid
    }
  }

  package init(name: String, type: String, hash: SecretBytes, owner: Owner?) {
    self.name = name
    self.type = type
    self.hash = hash
    self.owner = owner
  }
}

/// Nodes and their leases, read-only (law L11).
package protocol Nodes: Sendable {
  func get(_ name: NodeName, _ completion: @escaping Completion<Observed<NodeFacts>>)
  /// The resourceVersion of the Node's lease in `kube-node-lease`.
  func lease(_ name: NodeName, _ completion: @escaping Completion<Observed<String>>)

  /// The datastore's present revision: another number than before says that something was written meanwhile.
  func revision(_ completion: @escaping Completion<UInt64>)

  /// The names of all Nodes that hold this address as an `InternalIP`. Fails as a whole where any page of the list fails: a
  /// part is not the whole (law L3).
  func holders(of address: String, _ completion: @escaping Completion<[NodeName]>)
}

/// scrypt, on a bounded queue of its own: about 0.1 s and 32 MiB a call.
package protocol KeyDerivation: Sendable {
  /// `.busy` where too many are waiting already. `cost` has been bounded by `PasswordHash` before.
  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>)
}
