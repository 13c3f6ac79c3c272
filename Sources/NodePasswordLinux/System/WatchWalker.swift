import CShims
import Glibc
import NodePasswordCore

/// A descriptor that closes itself.
private final class HeldDescriptor {
  let raw: Int32

  init?(_ raw: Int32) {
    guard raw >= 0 else { return nil }
    self.raw = raw
  }

  deinit { close(raw) }
}

/// Puts watches on every directory on the way to a file, and through every link on that way.
///
/// Each directory is watched before the next name in it is looked up: what changes in between is an event, so no change
/// falls between looking and watching.
package struct WatchWalker {
  /// inotify_add_watch(2): the watch, or the negated error.
  package typealias AddWatch = @Sendable (_ inotify: Int32, _ path: String, _ mask: UInt32) -> Int32

  package static let addWatch: AddWatch = { inotify, path, mask in
    let watch = inotify_add_watch(inotify, path, mask)
    return watch >= 0 ? watch : -errno
  }

  /// As many as the kernel follows in one path (path_resolution(7)).
  private static let linkLimit = 40
  /// Folders and links below all targets, and folders within folders.
  package static let folderLimit = 1_000
  private static let depthLimit = ManifestWalk.depthLimit

  let inotify: Int32
  /// The made-up root; empty for the real one.
  let root: String
  let addWatch: AddWatch
  private(set) var directories: [Int32: WatchedDirectory] = [:]
  /// The first thing that kept a watch from being set up.
  private(set) var obstacle: Obstacle?
  private var folders = 0

  init(inotify: Int32, root: String, addWatch: @escaping AddWatch) {
    self.inotify = inotify
    self.root = root
    self.addWatch = addWatch
  }

  mutating func walk(to target: WatchTarget) {
    guard var directory = open(root.isEmpty ? "/" : root, place: target.path) else { return }
    var ahead = Self.components(of: target.path)
    var links = 0
    while let name = ahead.popLast() {
      let isLast = ahead.isEmpty
      if name != ".." {
        let interest: WatchInterest = isLast && !target.isDirectory ? [] : .way
        guard watch(directory, for: name, interest.union(target.interest), isLast: isLast, target) else { return }
      }
      guard let next = HeldDescriptor(nodepassd_open_path(directory.raw, name)) else {
        if errno != ENOENT && errno != ENOTDIR { fail(errno, target.path) }
        return
      }
      switch Self.type(of: next) {
      case S_IFLNK:
        links += 1
        guard links <= Self.linkLimit, let link = Self.destination(of: next) else { return }
        if isLast { guard watch(directory, for: name, .way, isLast: true, target) else { return } }
        if link.hasPrefix("/") {
          guard let start = open("/", place: target.path) else { return }
          directory = start
        }
        ahead += Self.components(of: link)
      case S_IFDIR where !isLast: directory = next
      case S_IFDIR where target.isDirectory: watchDocuments(in: next, target, depth: 0)
      default: return
      }
    }
  }

  private mutating func open(_ path: String, place: String) -> HeldDescriptor? {
    let held = HeldDescriptor(Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    if held == nil { fail(errno, place) }
    return held
  }

  private mutating func watch(
    _ directory: HeldDescriptor, for name: String, _ interest: WatchInterest, isLast: Bool, _ target: WatchTarget
  ) -> Bool {
    guard let watch = add(directory, isLast ? InotifyMask.contents : InotifyMask.entries, target) else { return false }
    directories[watch, default: WatchedDirectory()].add(name, interest)
    return true
  }

  private mutating func watchDocuments(in directory: HeldDescriptor, _ target: WatchTarget, depth: Int) {
    guard let watch = add(directory, InotifyMask.contents, target) else { return }
    for suffix in target.suffixes {
      directories[watch, default: WatchedDirectory()].documents[suffix, default: []].formUnion(target.interest)
    }
    directories[watch]?.everything.formUnion(target.interest)
    guard target.folders != .none else { return }
    directories[watch]?.folders.formUnion(target.interest)
    watchFolders(in: directory, target, depth: depth)
  }

  /// The folders that are there now; one that comes later is an event, since its parent is watched already.
  private mutating func watchFolders(in directory: HeldDescriptor, _ target: WatchTarget, depth: Int) {
    let listed = Descriptor.open("/proc/self/fd/\(directory.raw)", O_RDONLY | O_DIRECTORY, followingLink: true)
      .flatMap { $0.names(limit: ManifestWalk.nameLimit) }
    guard case .success(let names?) = listed else {
      if case .failure(let error) = listed { return fail(error.code, target.path) }
      return tooMuch(target)
    }
    for name in names {
      var facts = stat()
      guard fstatat(directory.raw, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      switch facts.st_mode & S_IFMT {
      case S_IFDIR:
        folders += 1
        guard folders <= Self.folderLimit, depth < Self.depthLimit else { return tooMuch(target) }
        guard let next = HeldDescriptor(nodepassd_open_path(directory.raw, name)) else { continue }
        watchDocuments(in: next, target.folder(name), depth: depth + 1)
      case S_IFLNK where target.folders == .allAndLinked:
        // What leads nowhere now may lead to a folder later; and a linked manifest is written where it lies.
        let isThere = fstatat(directory.raw, name, &facts, 0) == 0
        guard !isThere || facts.st_mode & S_IFMT == S_IFDIR || ManifestName.counts(name) else { continue }
        folders += 1
        guard folders <= Self.folderLimit else { return tooMuch(target) }
        var linked = target.folder(name)
        linked.folders = .all
        walk(to: linked)
      default: continue
      }
    }
  }

  private mutating func tooMuch(_ target: WatchTarget) {
    if obstacle == nil {
      obstacle = Obstacle(
        .tooLarge, at: target.path, "more than \(Self.folderLimit) folders and links, or too deep, to watch")
    }
  }

  /// By descriptor, so that it is this very directory and not one that took its place.
  private mutating func add(_ directory: HeldDescriptor, _ mask: UInt32, _ target: WatchTarget) -> Int32? {
    let watch = addWatch(inotify, "/proc/self/fd/\(directory.raw)", mask)
    guard watch < 0 else { return watch }
    fail(-watch, target.path)
    return nil
  }

  private mutating func fail(_ code: Int32, _ place: String) {
    if obstacle == nil { obstacle = .system(code, at: place) }
  }

  /// Reversed: the next one is the last.
  private static func components(of path: String) -> [String] {
    path.split(separator: "/").filter { $0 != "." }.reversed().map(String.init)
  }

  private static func type(of descriptor: HeldDescriptor) -> mode_t {
    var facts = stat()
    return fstat(descriptor.raw, &facts) == 0 ? facts.st_mode & S_IFMT : 0
  }

  private static func destination(of link: HeldDescriptor) -> String? {
    let limit = Int(PATH_MAX)
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      let got = buffer.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { readlinkat(link.raw, "", $0, limit) } ?? 0
      }
      count = max(0, got)
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
