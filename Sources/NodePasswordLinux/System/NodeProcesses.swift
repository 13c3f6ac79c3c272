import NodePasswordCore

/// K3s and RKE2 as processes, where no service manager can be asked.
package enum NodeProcesses {
  private static let names = Set(
    Distribution.allCases.flatMap { [$0.rawValue, "\($0.rawValue)-server", "\($0.rawValue)-agent"] })

  /// `k3s-agent (pid 812)`, one of each.
  package static func find() -> [String] {
    (FactFile.names(in: "/proc").value ?? []).compactMap { pid in
      guard Int32(pid) != nil, let name = WholeFile.word("/proc/\(pid)/comm"), names.contains(name) else { return nil }
      return "\(name) (pid \(pid))"
    }
  }
}
