import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// A change of `cred/node-passwd` is news for the look at it.
@Suite struct LegacyWatchTests {
  enum Change: CaseIterable, Sendable { case joined, written, removed, folderRemoved }

  @Test(arguments: Change.allCases) func eachChangeWakesItsOwnSubject(_ change: Change) throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a,a,\n", LegacyScratch.file)
    let watch = InotifyWatch(paths: scratch.root.paths)
    defer { watch.stop() }
    let hints = Inbox<Subject>()
    watch.watch(scratch.installation) { subject, _ in if subject == .legacyFile { hints.put(subject) } }
    // Whoever begins to listen is told at once; nothing else comes by itself.
    #expect(hints.next() == .legacyFile)
    switch change {
    case .joined: KThreeS(path: scratch.root.path + LegacyScratch.file).join("edge-1")
    case .written: try scratch.root.write("bb,a,a,\n", LegacyScratch.file)
    case .removed: try scratch.root.remove(LegacyScratch.file)
    case .folderRemoved: try scratch.root.remove(LegacyScratch.folder)
    }
    #expect(hints.next() == .legacyFile)
  }
}
