import NodePasswordCore

/// Nodes and node-password Secrets, listed and watched by metadata only.
package protocol ClusterWatch: Sendable {
  /// Lists both, in pages or as a stream, and watches both from there; reconnects by itself with backoff, from the start
  /// after a 410. Calls `wake`, on any thread, after a change that `view` would show, when both have synced, and when one is
  /// lost. Only the newest call is in force.
  ///
  /// The subject that is woken is `cluster`; the Node of a name too where its Node or Secret has changed. Of a Node's metadata
  /// only its being there counts, and its approval annotation.
  func start(_ distribution: Distribution, wake: @escaping @Sendable (Subject, WakeCause) -> Void)
  func stop()

  /// As the watches have it now, without asking the server. Unknown until both have synced, and while one of them is lost.
  func view(_ completion: @escaping Completion<Observed<ClusterView>>)

  /// These names beside the Nodes and Secrets, as the watches have them now; unknown as `view` is.
  func census(of names: Set<NodeName>, _ completion: @escaping Completion<Observed<LegacyCensus>>)

  /// The Secret of this Node was looked at in full as it is now, so it is `uninspected` no more until it changes.
  func noteInspected(_ secret: SecretIdentity)
}

/// The ConfigMap `nodepassd-ledger` in `kube-system`.
package protocol LedgerStore: Sendable {
  /// Absent: there is none. `.malformed` where it is there and makes no sense; `write` over the version that
  /// `damagedVersion` tells makes it anew.
  /// `.foreign` where a newer version of this program wrote it: that is left alone.
  func read(_ completion: @escaping Completion<Observed<LedgerReading>>)

  /// The version of a ledger that could not be made sense of, for writing over it. Absent: there is none.
  func damagedVersion(_ completion: @escaping Completion<Observed<String>>)

  /// Always by version: without one the last writer wins (observed-k3s 11). `nil` as the version: make it.
  func write(_ ledger: Ledger, over version: String?, _ completion: @escaping Completion<LedgerWriting>)
}

package enum LedgerWriting: Hashable, Sendable {
  case written(version: String)
  /// Another version is there now, or there is one where none was, or none where one was.
  case conflict
}

/// What this server remembers of the ledger by itself, durably: a datastore that was restored does not know.
package protocol LedgerMarks: Sendable {
  /// Absent: nothing was kept yet.
  func load(_ completion: @escaping Completion<Observed<LedgerMark>>)
  func save(_ mark: LedgerMark, _ completion: @escaping Completion<Void>)
}

/// Events on Nodes (`events.k8s.io/v1`, in the namespace `default`).
package protocol NodeEvents: Sendable {
  func post(_ event: NodeEvent, _ completion: @escaping Completion<Void>)
}

/// A Secret's hash beside the cluster, for as long as its name is free: what a reset deletes is put back where nobody
/// returns. One a name; durable, and readable by root only.
package protocol HashReserve: Sendable {
  func keep(_ draft: SecretDraft, _ completion: @escaping Completion<Void>)
  func load(_ name: String, _ completion: @escaping Completion<Observed<SecretDraft>>)
  func drop(_ name: String, _ completion: @escaping Completion<Void>)
}
