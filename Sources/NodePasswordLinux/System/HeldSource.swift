import Dispatch

/// Keeps a Dispatch source going for as long as it is held.
///
/// Dispatch's objects may be used from any thread; their Swift types on Linux do not say so.
final class HeldSource: Sendable {
  private nonisolated(unsafe) let source: any DispatchSourceProtocol

  init(_ source: any DispatchSourceProtocol) { self.source = source }

  deinit { source.cancel() }

  func cancel() { source.cancel() }
}
