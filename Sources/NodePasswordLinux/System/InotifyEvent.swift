import Glibc

/// One event as the kernel queued it (inotify(7)).
package struct InotifyEvent: Hashable, Sendable {
  /// The watch; -1 for an overflow of the queue.
  package var watch: Int32
  package var mask: UInt32
  /// Of the file in the watched directory; empty where the event is about the directory itself.
  package var name: String

  package init(watch: Int32, mask: UInt32, name: String) {
    self.watch = watch
    self.mask = mask
    self.name = name
  }

  package func has(_ bits: UInt32) -> Bool { mask & bits != 0 }

  /// The mode or the owner of a folder within the watched one.
  var isFolderChanged: Bool { has(UInt32(IN_ATTRIB)) && has(UInt32(IN_ISDIR)) && !name.isEmpty }

  /// Events in the bytes of one `read(2)`. A torn last event, which the kernel never makes, is dropped.
  package static func parse(_ bytes: UnsafeRawBufferPointer) -> [InotifyEvent] {
    let headerSize = MemoryLayout<inotify_event>.size
    var events: [InotifyEvent] = []
    var offset = 0
    while bytes.count - offset >= headerSize {
      let header = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
      let length = Int(header.len)
      guard bytes.count - offset - headerSize >= length else { break }
      let start = offset + headerSize
      let name = bytes[start..<start + length].prefix { $0 != 0 }
      events.append(
        InotifyEvent(watch: header.wd, mask: header.mask, name: String(decoding: name, as: UTF8.self)))
      offset = start + length
    }
    return events
  }
}

/// Bits of an event's mask, as the unsigned numbers that the kernel takes.
enum InotifyMask {
  /// The directory itself went, was moved, or its file system was unmounted.
  static let directoryGone = UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)
  static let ignored = UInt32(IN_IGNORED)
  static let overflow = UInt32(IN_Q_OVERFLOW)

  static let comingOrGoing = UInt32(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
  /// Names that come and go: enough for the directories on the way.
  static let entries =
    UInt32(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
    | UInt32(IN_ONLYDIR) | UInt32(IN_MASK_ADD)
  /// And what is done to the files.
  static let contents = entries | UInt32(IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB)
}
