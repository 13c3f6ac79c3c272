import NodePasswordCore

/// A machine that runs, or would like to run, under a Node's name: a member of the fleet, a clone, an impostor.
struct FleetMachine {
  enum Phase: String {
    /// Let in, and its kubelet renews the lease.
    case joined
    /// Let in, and on its way to be a Node.
    case accepted
    /// Asks again and again.
    case asking
    case down
  }

  enum Kind: String {
    /// Whose name it is.
    case rightful
    /// A copy under the same name, with a password of its own.
    case clone
    /// Holds a join token and wants the name.
    case impostor
  }

  static let renewal = Duration.seconds(10)

  let name: NodeName
  let kind: Kind
  var address: String
  var machineID: String
  var bootID: String
  var password: [UInt8]
  /// Of the derived password that its provisioner brings with the next image; `nil`: it is minted one.
  var generation: Int?
  var labels: [String: String] = [:]
  /// The server with a daemon of ours that runs on it.
  var server: Int?
  var phase = Phase.down
  /// Another for each phase: what was meant for an earlier one never happens.
  var serial = 0
  /// The server that it asks.
  var favourite: Int
  /// Wrong by hours where it likes: nobody may compare it with anything.
  var clock: Duration
  /// How long it waits between two attempts.
  var interval: ClosedRange<Int> = 5_000...10_000
  /// When an impostor gives up.
  var patience: Moment?
  /// Its network is gone: it runs, and renews nothing.
  var isCut = false
  /// Since when it has been a Node without a break.
  var joinedAt: Moment?
  /// When it last was a Node by its name's own Secret.
  var wasBackAt: Moment?
  /// Since when it has been asking and not let in.
  var askingSince: Moment?
  /// Of the name that it got, if a daemon had freed it: the moment.
  var gotFreedName: Moment?
  /// The first renewal of the present row; `nil`: none are made now.
  private var renewsFrom: Moment?
  /// The last of the rows before.
  private var renewedBefore: Moment?

  init(
    name: NodeName, kind: Kind, address: String, machineID: String, bootID: String, password: [UInt8], favourite: Int,
    clock: Duration = .zero
  ) {
    self.name = name
    self.kind = kind
    self.address = address
    self.machineID = machineID
    self.bootID = bootID
    self.password = password
    self.favourite = favourite
    self.clock = clock
  }

  /// Renewals are worked out when somebody asks: 50 machines would else write 18,000 leases an hour.
  func lastRenewal(at now: Moment) -> Moment? {
    guard let from = renewsFrom, from <= now else { return renewedBefore }
    let period = Self.renewal.wholeNanoseconds
    return Moment(nanoseconds: now.nanoseconds - (now.nanoseconds - from.nanoseconds) % period)
  }

  mutating func renew(from moment: Moment, now: Moment) {
    renewedBefore = lastRenewal(at: now)
    renewsFrom = moment
  }

  mutating func stopRenewing(at now: Moment) {
    renewedBefore = lastRenewal(at: now)
    renewsFrom = nil
  }

  /// Its kubelet runs and would renew if the API were there.
  var isRunning: Bool { phase == .joined && !isCut }

  var peer: String { address.contains(":") ? "[\(address)]:45606" : "\(address):45606" }
}
