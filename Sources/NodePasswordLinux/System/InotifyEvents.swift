import Glibc

/// One event of the kernel's, decoded.
struct InotifyEvent: Hashable, Sendable {
  var watch: Int32
  var mask: UInt32
  var name: String

  var isOverflow: Bool { mask & UInt32(bitPattern: Int32(IN_Q_OVERFLOW)) != 0 }
  /// The watch is gone: its directory was removed, or the file system unmounted.
  var endsWatch: Bool { mask & UInt32(bitPattern: Int32(IN_IGNORED)) != 0 }
  var concernsDirectoryItself: Bool {
    mask & UInt32(bitPattern: Int32(IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0
  }
}

enum InotifyEvents {
  /// The events in what one read gave; a last one that is cut, which the kernel never writes, ends it.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> [InotifyEvent] {
    let header = MemoryLayout<inotify_event>.size
    var events: [InotifyEvent] = []
    var offset = 0
    while offset + header <= bytes.count {
      let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
      let end = offset + header + Int(event.len)
      guard end <= bytes.count else { break }
      let name = bytes[(offset + header)..<end].prefix { $0 != 0 }
      events.append(
        InotifyEvent(watch: event.wd, mask: event.mask, name: String(decoding: name, as: UTF8.self)))
      offset = end
    }
    return events
  }
}
