import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// The walk over real files, as K3s does it (k3s-facts 4).
@Suite struct ManifestWalkTests {
  private let scratch: ManifestScratch

  init() throws { scratch = try ManifestScratch() }

  private func paths() throws -> [String] { try scratch.tree().files.map(\.path) }

  @Test func whatK3sWouldApplyCountsAndNothingElse() throws {
    for name in [
      "coredns.yaml", "UPPER.YML", "z.Json", "metrics-server/auth-reader.yaml", ".hidden/inner.yaml", "a/b/c/deep.yaml",
      "coredns.yaml.skip", "a/deep.yaml.skip", ".dot.yaml", "notes.txt", "coredns.yaml.bak", "a.yaml.SKIP",
      ".nodepassd-coredns.yaml-1",
    ] { try scratch.write(name, name) }
    #expect(
      try paths() == [
        ".hidden/inner.yaml", "UPPER.YML", "a/b/c/deep.yaml", "a/deep.yaml.skip", "coredns.yaml", "coredns.yaml.skip",
        "metrics-server/auth-reader.yaml", "z.Json",
      ])
  }

  /// SHA-256 of `abc` (FIPS 180-4, appendix).
  @Test func theDigestIsSHA256OfTheBytes() throws {
    try scratch.write("a.yaml", "abc")
    let file = try #require(try scratch.tree().files.first)
    #expect(file.digest?.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(file.identity.size == 3 && file.mode == 0o600 && !file.isBehindLink)
  }

  @Test func noDirectoryIsAbsent() throws {
    try scratch.root.remove(ManifestScratch.place)
    #expect(try scratch.look().isAbsent)
  }

  @Test func aFileInPlaceOfTheDirectoryIsUnknown() throws {
    try scratch.root.remove(ManifestScratch.place)
    try scratch.root.write("x", ManifestScratch.place)
    #expect(try scratch.look().obstacle != nil)
  }

  @Test func linkedFoldersAreFollowedOneLevel() throws {
    try scratch.root.write("1", "/opt/shared/one.yaml")
    try scratch.root.write("2", "/opt/shared/sub/two.yaml")
    try scratch.root.write("3", "/opt/other/three.yaml")
    try FileManager.default.createSymbolicLink(
      atPath: scratch.root.path + "/opt/shared/more", withDestinationPath: scratch.root.path + "/opt/other")
    try scratch.root.make(ManifestScratch.place + "/sub")
    try scratch.link("sub/linked", to: scratch.root.path + "/opt/shared")
    let tree = try scratch.tree()
    #expect(tree.files.map(\.path) == ["sub/linked/one.yaml", "sub/linked/sub/two.yaml"])
    #expect(tree.files.allSatisfy { $0.isBehindLink })
  }

  @Test func aLinkedFileIsReadAndKnownForOne() throws {
    try scratch.root.write("abc", "/opt/one.yaml")
    try scratch.link("one.yaml", to: scratch.root.path + "/opt/one.yaml")
    try scratch.link("nowhere.yaml", to: "/nowhere/at/all")
    let tree = try scratch.tree()
    #expect(tree.files.map(\.path) == ["one.yaml"] && tree.files.first?.isBehindLink == true)
    #expect(tree.files.first?.digest?.hex.hasPrefix("ba7816bf") == true)
  }

  // MARK: Hostile trees

  @Test(.timeLimit(.minutes(15))) func loopsEnd() throws {
    try scratch.write("a.yaml", "1")
    try scratch.link("up", to: "..")
    try scratch.link("self", to: ".")
    try scratch.link("around", to: "around")
    try scratch.root.make(ManifestScratch.place + "/d")
    try scratch.link("d/back", to: scratch.root.path + ManifestScratch.place)
    let paths = try paths()
    #expect(paths.contains("a.yaml") && paths.contains("self/a.yaml") && paths.contains("d/back/a.yaml"))
    #expect(!paths.contains { $0.contains("self/self") || $0.contains("back/d/back") })
  }

  @Test(.timeLimit(.minutes(15))) func whatIsNoFileNeverBlocks() throws {
    #expect(mkfifo(scratch.path("pipe.yaml"), 0o600) == 0)
    try scratch.root.make(ManifestScratch.place + "/folder.yaml")
    try scratch.write("folder.yaml/inner.yaml", "1")
    try scratch.link("device.yaml", to: "/dev/zero")
    try scratch.write("good.yaml", "abc")
    let tree = try scratch.tree()
    #expect(tree.files.map(\.path) == ["device.yaml", "folder.yaml/inner.yaml", "good.yaml", "pipe.yaml"])
    for name in ["device.yaml", "pipe.yaml"] { #expect(tree.file(name)?.contents.obstacle?.kind == .malformed) }
    #expect(tree.file("good.yaml")?.digest != nil)
    // As it is, and no reason to look again.
    #expect(tree.obstacles.isEmpty)
  }

  @Test func whatIsTooLargeIsNotRead() throws {
    let file = try #require(fopen(scratch.path("huge.yaml"), "w"))
    ftruncate(fileno(file), off_t(ManifestTree.sizeLimit) + 1)
    fclose(file)
    try scratch.write("fits.yaml", String(repeating: "a", count: Int(ManifestTree.sizeLimit)))
    let tree = try scratch.tree()
    #expect(tree.file("huge.yaml")?.contents.obstacle?.kind == .tooLarge)
    #expect(tree.file("fits.yaml")?.digest != nil)
  }

  @Test func tooManyFilesAreNoAnswer() throws {
    for index in 0...ManifestTree.fileLimit {
      #expect(FileManager.default.createFile(atPath: scratch.path("\(index).yaml"), contents: nil))
    }
    #expect(try scratch.look().obstacle?.kind == .tooLarge)
    try FileManager.default.removeItem(atPath: scratch.path("0.yaml"))
    #expect(try scratch.tree().files.count == ManifestTree.fileLimit)
  }

  @Test func whatLiesTooDeepIsUnknownAndNotAbsent() throws {
    let deep = (0..<40).map { "d\($0)" }.joined(separator: "/")
    try scratch.write("\(deep)/a.yaml", "1")
    let tree = try scratch.tree()
    #expect(tree.files.isEmpty && tree.unseen.count == 1 && !tree.couldSee("\(deep)/a.yaml"))
    #expect(tree.couldSee("d0/a.yaml"))
  }

  @Test func aNameThatIsNoTextIsAFileThatCannotBeRead() throws {
    let directory = try #require(opendir(scratch.root.path + ManifestScratch.place))
    defer { closedir(directory) }
    let name: [CChar] = [97, -1, 46, 121, 97, 109, 108, 0]
    let file = openat(dirfd(directory), name, O_CREAT | O_WRONLY, 0o600)
    #expect(file >= 0)
    close(file)
    try scratch.write("b.yaml", "1")
    // What it is repaired to names nothing.
    #expect(try paths() == ["b.yaml"])
  }

  // MARK: Again

  @Test func whatHasChangedIsReadAgain() throws {
    for index in 0..<3 { try scratch.write("\(index).yaml", "\(index)") }
    let before = try scratch.tree()
    try scratch.write("2.yaml", "other")
    let after = try scratch.tree()
    #expect(after.file("0.yaml") == before.file("0.yaml") && after.file("1.yaml") == before.file("1.yaml"))
    #expect(after.file("2.yaml")?.digest != before.file("2.yaml")?.digest)
  }

  /// A file that is the same one is not opened: this one could not be.
  @Test(.enabled(if: geteuid() == 0)) func whatHasNotChangedIsNotReadAgain() throws {
    try scratch.write("a.yaml", String(repeating: "a", count: 100_000))
    func bytesRead() throws -> Int {
      let text = try String(contentsOfFile: "/proc/self/io", encoding: .utf8)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar:") })
      return try #require(line.split(separator: " ").last.flatMap { Int($0) })
    }
    _ = try scratch.tree()
    // Other tests read meanwhile; of twenty looks at least one is undisturbed.
    let costs = try (0..<20).map { _ in
      let before = try bytesRead()
      _ = try scratch.tree()
      return try bytesRead() - before
    }
    #expect(try #require(costs.min()) < 50_000)
  }
}
