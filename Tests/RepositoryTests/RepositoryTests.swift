import Foundation
import NodePasswordCore
import Testing

/// The repository keeps its own promises.
@Suite struct RepositoryTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static func files(_ directory: String, _ suffix: String) -> [URL] {
    let walker = FileManager.default.enumerator(at: root.appending(path: directory), includingPropertiesForKeys: nil)
    return (walker?.allObjects ?? []).compactMap { $0 as? URL }.filter { $0.path().hasSuffix(suffix) }
  }

  private static func text(_ file: URL) throws -> String { try String(contentsOf: file, encoding: .utf8) }

  private static func text(_ name: String) throws -> String { try text(root.appending(path: name)) }

  private static func imports(_ file: URL) throws -> [String] {
    try text(file).split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard let index = words.firstIndex(of: "import"), index <= 1, !line.hasPrefix(" "), !line.hasPrefix("/") else {
        return nil
      }
      return words.last.map(String.init)
    }
  }

  private static let sources = files("Sources", ".swift")

  @Test func theCoreImportsNothing() throws {
    let core = Self.files("Sources/NodePasswordCore", ".swift")
    #expect(core.count > 20)
    for file in core { #expect(try Self.imports(file).isEmpty, "\(file.lastPathComponent)") }
  }

  @Test func effectsStayWhereTheyBelong() throws {
    let effects = ["Dispatch", "Glibc", "CSystemd", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL"]
    let allowed = ["/NodePasswordLinux/", "/StandIn/", "/nodepassd/", "/nodepassd-demo/"]
    for file in Self.sources {
      let names = try Self.imports(file)
      #expect(!names.contains("Foundation"), "\(file.path()): full Foundation brings ICU with it")
      if allowed.contains(where: file.path().contains) { continue }
      for name in names { #expect(!effects.contains(name), "\(file.path()) imports \(name)") }
    }
  }

  @Test func noShortcuts() throws {
    // Spelled apart, so that this file does not hold what it looks for.
    let banned = ["@unchecked " + "Sendable", "try" + "!", " as" + "! ", "TO" + "DO", "FIX" + "ME"]
    for file in Self.sources {
      let text = try Self.text(file)
      for word in banned { #expect(!text.contains(word), "\(file.path()): \(word)") }
    }
  }

  /// A closure without it inherits the isolation of where it is written, and traps on another queue.
  @Test func dispatchHandlersAreSendable() throws {
    for file in Self.sources {
      for line in try Self.text(file).split(separator: "\n")
      where ["EventHandler {", "CancelHandler {", "RegistrationHandler {", "queue.async {"].contains(
        where: line.contains)
      {
        #expect(line.contains("@Sendable"), "\(file.lastPathComponent): \(line)")
      }
    }
  }

  @Test func filesAreShort() throws {
    for file in Self.sources + Self.files("Tests", ".swift") {
      let lines = try Self.text(file).split(separator: "\n", omittingEmptySubsequences: false).count
      #expect(lines <= 400, "\(file.path()) has \(lines) lines")
    }
  }

  @Test func everyRecordHasItsEntryInTheCatalog() throws {
    let catalog = try Self.text("systemd/nodepassd.catalog")
    let entries = catalog.split(separator: "\n").filter { $0.hasPrefix("-- ") }.map { String($0.dropFirst(3)) }
    let kinds = RecordKind.allCases.map(\.messageID)
    #expect(Set(entries) == Set(kinds))
    #expect(entries.count == kinds.count && Set(kinds).count == kinds.count, "an ID is used once")
    for id in kinds { #expect(id.count == 32 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase }) }
  }

  @Test func theCatalogNamesFieldsThatExist() throws {
    let known = Set(RecordField.allCases.map { "NODEPASSD_\($0.rawValue)" })
    let parts = try Self.text("systemd/nodepassd.catalog").split(separator: "@", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() where index % 2 == 1 { #expect(known.contains(String(part)), "@\(part)@") }
  }

  @Test func theTopLevelHoldsWhatWasAskedFor() throws {
    let allowed: Set = [
      "Package.swift", "Sources", "Tests", "systemd", "config", "README.md", "LICENSE", "Makefile", "CHANGELOG.md",
      "CONTRIBUTING.md", "Package.resolved",
    ]
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.root.path()) where !name.hasPrefix(".") {
      #expect(allowed.contains(name), "\(name)")
    }
    #expect(try Self.text("LICENSE").contains("Version 2.0, January 2004"))
  }

  @Test func theReadmeNamesWhatThereIs() throws {
    let readme = try Self.text("README.md")
    let makefile = try Self.text("Makefile")
    for target in ["demo", "test", "build", "install", "uninstall", "deps"] {
      #expect(readme.contains("make \(target)"), "make \(target)")
      #expect(makefile.contains("\n\(target):"), "\(target)")
    }
    for example in try FileManager.default.contentsOfDirectory(
      atPath: Self.root.appending(path: "config/examples").path())
    {
      #expect(readme.contains("config/examples/\(example)"))
    }
    for drift in [Drift.passwordFileMissing, .passwordFileEmpty, .passwordFileChanged, .secretMismatch, .secretMutable]
    {
      #expect(readme.contains(drift.rawValue))
    }
  }

  @Test func theUnitIsWhatTheDesignAsksFor() throws {
    let unit = try Self.text("systemd/nodepassd.service").split(separator: "\n").map(String.init)
    for line in [
      "Type=notify", "LimitCORE=0", "NoNewPrivileges=yes", "ProtectSystem=strict", "WantedBy=multi-user.target",
    ] {
      #expect(unit.contains(line), "\(line)")
    }
    #expect(unit.contains { $0.hasPrefix("WatchdogSec=") })
    #expect(unit.contains { $0.hasPrefix("RestartPreventExitStatus=") && $0.contains("78") })
  }

  /// Design 3: full Foundation would bring 45 MB of ICU along. The static, stripped program stays under 30 MB.
  @Test func theProgramIsSmall() throws {
    let program = Self.root.appending(path: ".build/release/nodepassd")
    guard let size = try? FileManager.default.attributesOfItem(atPath: program.path())[.size] as? Int else {
      // A debug build has another program, and no gate.
      return
    }
    #expect(size < 30_000_000, "\(size) bytes")
  }
}
