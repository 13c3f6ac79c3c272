import CShims

/// Bytes that must not be seen: an escrow's contents, a hash, a derived key. No textual form; wiped when let go.
package final class SecretBytes: Sendable {
  private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer

  /// Copies `bytes`; wiping the original is its owner's business.
  package init(copying bytes: some Collection<UInt8>) {
    memory = .allocate(byteCount: bytes.count, alignment: 1)
    memory.copyBytes(from: bytes)
  }

  /// Made in place, so that no copy is left to wipe.
  ///
  /// - Parameter fill: writes all `count` bytes; those it does not write are zero.
  package init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    memory = .allocate(byteCount: count, alignment: 1)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    fill(memory)
  }

  deinit {
    if let start = memory.baseAddress { nodepassd_wipe(start, memory.count) }
    memory.deallocate()
  }

  /// Calls `body` with the bytes, which must not outlive the call.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(UnsafeRawBufferPointer(memory))
  }

  package var count: Int { memory.count }

  /// Looks at every byte whatever the first difference.
  package func isEqual(to other: SecretBytes) -> Bool {
    guard memory.count == other.memory.count else { return false }
    var difference: UInt8 = 0
    for index in memory.indices { difference |= memory[index] ^ other.memory[index] }
    return difference == 0
  }
}

/// Interpolating or printing them yields this and never a byte; a mirror shows nothing either.
extension SecretBytes: CustomStringConvertible, CustomReflectable {
  package var description: String { "(secret)" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
