import Glibc
import NodePasswordCore

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
      let next: Descriptor
      switch Descriptor.naming(name, in: directory) {
      case .success(let found): next = found
      case .failure(let error):
        if error.code != ENOENT && error.code != ENOTDIR { fail(error, target.path) }
        return
      }
      switch (try? next.status().get()).map(FileKind.init) {
      case .symbolicLink:
        links += 1
        guard links <= Self.linkLimit, let link = next.destination(of: "") else { return }
        if isLast { guard watch(directory, for: name, .way, isLast: true, target) else { return } }
        if link.hasPrefix("/") {
          guard let start = open("/", place: target.path) else { return }
          directory = start
        }
        ahead += Self.components(of: link)
      case .directory where !isLast: directory = next
      case .directory where target.isDirectory: watchDocuments(in: next, target, depth: 0)
      default: return
      }
    }
  }

  private mutating func open(_ path: String, place: String) -> Descriptor? {
    switch Descriptor.directory(path) {
    case .success(let opened): return opened
    case .failure(let error):
      fail(error, place)
      return nil
    }
  }

  private mutating func watch(
    _ directory: Descriptor, for name: String, _ interest: WatchInterest, isLast: Bool, _ target: WatchTarget
  ) -> Bool {
    guard let watch = add(directory, isLast ? InotifyMask.contents : InotifyMask.entries, target) else { return false }
    directories[watch, default: WatchedDirectory()].add(name, interest)
    return true
  }

  private mutating func watchDocuments(in directory: Descriptor, _ target: WatchTarget, depth: Int) {
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
  private mutating func watchFolders(in directory: Descriptor, _ target: WatchTarget, depth: Int) {
    let names: [String]
    switch directory.names(limit: ManifestWalk.nameLimit) {
    case .success(let listed?): names = listed
    case .success(nil): return tooMuch(target)
    case .failure(let error): return fail(error, target.path)
    }
    for name in names {
      var facts = stat()
      guard fstatat(directory.number, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      switch facts.st_mode & S_IFMT {
      case S_IFDIR:
        folders += 1
        guard folders <= Self.folderLimit, depth < Self.depthLimit else { return tooMuch(target) }
        guard case .success(let next) = Descriptor.naming(name, in: directory) else { continue }
        watchDocuments(in: next, target.folder(name), depth: depth + 1)
      case S_IFLNK where target.folders == .allAndLinked:
        // What leads nowhere now may lead to a folder later; and a linked manifest is written where it lies.
        let isThere = fstatat(directory.number, name, &facts, 0) == 0
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
        .tooLarge, at: root + target.path, "more than \(Self.folderLimit) folders and links, or too deep, to watch")
    }
  }

  /// By descriptor, so that it is this very directory and not one that took its place.
  private mutating func add(_ directory: Descriptor, _ mask: UInt32, _ target: WatchTarget) -> Int32? {
    let watch = addWatch(inotify, "/proc/self/fd/\(directory.number)", mask)
    guard watch < 0 else { return watch }
    if watch == -ENOSPC {
      let words = "all inotify watches of this user are taken; fs.inotify.max_user_watches says how many there are"
      obstacle = obstacle ?? Obstacle(.busy, at: root + target.path, words)
    }
    fail(SystemError(code: -watch), target.path)
    return nil
  }

  private mutating func fail(_ error: SystemError, _ place: String) {
    if obstacle == nil { obstacle = error.obstacle(at: root + place) }
  }

  /// Reversed: the next one is the last.
  private static func components(of path: String) -> [String] {
    path.split(separator: "/").filter { $0 != "." }.reversed().map(String.init)
  }
}
