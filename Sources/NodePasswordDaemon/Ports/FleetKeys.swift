import NodePasswordCore

/// What follows from the fleet key (design 7). The key itself stays behind the port.
package protocol FleetKeys: Sendable {
  /// The derived password of this node and generation. Absent: this server has no fleet key. `.malformed` where there is no
  /// such generation, or the key is none.
  func password(
    of node: NodeName, generation: Int, _ completion: @escaping Completion<Observed<NodePassword>>)
}
