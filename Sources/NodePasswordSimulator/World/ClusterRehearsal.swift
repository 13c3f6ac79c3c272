import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The simulated watch of the cluster by itself, through accidents of the cluster: what it shows and tells, held against
/// what is so.
package struct ClusterRehearsal: Sendable {
  package var objections: [String] = []
  /// How often each subject was woken, by cause.
  package var wakes: [String: Int] = [:]

  private static let accidents: [Accident] = [
    .strangersSecret, .removeSecret, .damageSecret, .deleteNode, .restoreDatastore, .apiDown, .restartAgent,
  ]

  package static func run(seed: UInt64) -> ClusterRehearsal {
    let world = World(SimulationOptions(seed: seed))
    let watch = SimulatedClusterWatch(ports: SimulatedPorts(world: world, incarnation: 0))
    let told = Told()
    var rehearsal = ClusterRehearsal()
    world.bootUnit()
    world.run(for: .seconds(30))
    watch.start(world.setting.distribution) { told.note($0, $1) }
    for _ in 0..<6 {
      world.run(for: world.state.withLock { $0.random.span(50...120_000) })
      world.suffer(world.state.withLock { accidents.randomElement(using: &$0.random) } ?? .removeSecret)
      if world.state.withLock({ $0.isAPIDown }) {
        world.run(for: .seconds(1))
        if world.isClusterKnown, world.state.withLock({ $0.isAPIDown }) {
          rehearsal.objections.append("L3: known while the API is down")
        }
      }
    }
    world.findServer()
    world.run(for: .seconds(60))
    rehearsal.objections += world.objectionsToView()
    let before = told.count
    world.stopUnit()
    world.run(for: .seconds(3_600))
    if told.count != before { rehearsal.objections.append("an idle cluster wakes somebody") }
    watch.stop()
    rehearsal.wakes = told.all
    world.end()
    return rehearsal
  }

  private final class Told: Sendable {
    private let wakes = Mutex<[String: Int]>([:])

    func note(_ subject: Subject, _ cause: WakeCause) {
      wakes.withLock { $0["\(subject) \(cause.rawValue)", default: 0] += 1 }
    }

    var all: [String: Int] { wakes.withLock { $0 } }
    var count: Int { all.values.reduce(0, +) }
  }
}

extension World {
  fileprivate var isClusterKnown: Bool { state.withLock { $0.clusterWatch?.follower.view.value != nil } }

  /// What a list made now would show, and not a word less.
  fileprivate func objectionsToView() -> [String] {
    state.withLock { state in
      var fresh = ClusterFollower()
      let time = state.time
      guard case .success = fresh.list(&state.server, at: time), let expected = fresh.view.value else {
        return ["the server cannot be listed"]
      }
      guard let found = state.clusterWatch?.follower.view.value else { return ["unknown although all is well"] }
      let isSame =
        found.nodeCount == expected.nodeCount && found.secretCount == expected.secretCount
        && found.withoutSecret.map(\.name) == expected.withoutSecret.map(\.name)
        && found.orphanCount == expected.orphanCount && found.uninspected == expected.uninspected
        && found.newestVersion == expected.newestVersion
      return isSame ? [] : ["shows \(found) where it is \(expected)"]
    }
  }
}
