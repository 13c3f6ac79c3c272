import NodePasswordCore

/// How a port answers: exactly once, on any thread. The caller goes back to its own queue by itself.
package typealias Completion<Value> = @Sendable (Result<Value, Obstacle>) -> Void
