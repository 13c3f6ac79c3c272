/// One thing wrong with a policy, and where: `file:line:column: message`.
package struct PolicyDiagnostic: Hashable, Sendable, Error, CustomStringConvertible {
  package let origin: Origin
  package let message: String

  package init(_ origin: Origin, _ message: String) {
    self.origin = origin
    self.message = message
  }

  package var description: String { "\(origin): \(message)" }
}

/// All that is wrong with a policy. A policy with one diagnostic is rejected whole.
package struct PolicyRejection: Error, Hashable, Sendable, CustomStringConvertible {
  package let diagnostics: [PolicyDiagnostic]

  package init(_ diagnostics: [PolicyDiagnostic]) { self.diagnostics = diagnostics }

  package var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}
