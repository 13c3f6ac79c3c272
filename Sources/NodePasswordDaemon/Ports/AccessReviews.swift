import NodePasswordCore

/// Asks the API server what it would let us do, without doing it. Says nothing about admission policies, which only a
/// rehearsed write meets (observed-k3s 12).
package protocol AccessReviews: Sendable {
  func review(_ right: AccessRight, _ completion: @escaping Completion<AccessVerdict>)
}
