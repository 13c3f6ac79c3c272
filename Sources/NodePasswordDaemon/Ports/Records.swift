import NodePasswordCore

/// The journal, for writing. A journal that is full or gone never stops the daemon.
package protocol Journal: Sendable {
  func send(_ record: Record)
}

/// The durable log of acts (law L4): small, appended to, read whole at the start, shortened now and then by what no budget counts.
package protocol ActLog: Sendable {
  /// All acts that could be read, oldest first. A torn last line is dropped; a file that makes no sense is `.malformed`,
  /// and budgets then start spent.
  func load(_ completion: @escaping Completion<[Act]>)

  /// Answers once the act would survive a power cut.
  func append(_ act: Act, _ completion: @escaping Completion<Void>)
}

/// Where `status` reads what the daemon last knew; replaced atomically.
package protocol StatusFile: Sendable {
  func publish(_ report: StatusReport, _ completion: @escaping Completion<Void>)
}

/// The service manager (`sd_notify`).
package protocol ServiceManager: Sendable {
  func tell(_ state: ServiceState)
}
