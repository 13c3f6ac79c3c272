import Foundation
import NodePasswordCore
import Testing

/// What tells people keeps its promises.
@Suite struct AlertingTests {
  private static let directory = RepositoryTests.root.appending(path: "config/alerting")
  private static let unit = RepositoryTests.root.appending(path: "systemd/nodepassd-alert@.service")

  private static func text(_ name: String) throws -> String {
    try String(contentsOf: directory.appending(path: name), encoding: .utf8)
  }

  private static func lines(of file: URL) throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  private static let scripts = ["mail.sh", "webhook.sh"]

  // MARK: The queries

  /// As `queries.txt` has it: message and level, by kind, by message ID.
  private static func block(_ kind: RecordKind) -> String {
    let query = "journalctl _SYSTEMD_UNIT=nodepassd.service"
    return "# \(kind.message) (\(kind.priority.word))\n\(query) NODEPASSD_KIND=\(kind.rawValue)\n"
      + "\(query) MESSAGE_ID=\(kind.messageID)"
  }

  @Test func everyAlarmHasItsQueriesAndNoOther() throws {
    let blocks = try Self.text("queries.txt").trimmingCharacters(in: .newlines).components(separatedBy: "\n\n")
      .dropFirst()
    let expected = RecordKind.allCases.filter { $0.priority <= .warning }.map(Self.block)
    let missing = Set(expected).subtracting(blocks)
    let superfluous = Set(blocks).subtracting(expected)
    #expect(missing.isEmpty, "Add to config/alerting/queries.txt:\n\n\(missing.sorted().joined(separator: "\n\n"))\n")
    #expect(superfluous.isEmpty, "Not an alarm:\n\n\(superfluous.sorted().joined(separator: "\n\n"))\n")
    #expect(blocks.count == Set(blocks).count, "an alarm is listed once")
    #expect(expected.count > 5)
  }

  // MARK: The unit and its drop-ins

  @Test func theUnitIsWhatTheDaemonCountsOn() throws {
    let lines = try Self.lines(of: Self.unit)
    for line in [
      "Type=oneshot", "EnvironmentFile=/run/nodepassd/alerts/%i.env", "CollectMode=inactive-or-failed",
      "TimeoutStartSec=60", "DynamicUser=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "LimitCORE=0",
    ] {
      #expect(lines.contains(line), "\(line)")
    }
  }

  /// A shell in between would read the values as its own language.
  @Test func noShellReadsAValue() throws {
    let dropIns = try FileManager.default.contentsOfDirectory(at: Self.directory, includingPropertiesForKeys: nil)
    let files = [Self.unit] + dropIns.filter { $0.pathExtension == "conf" }
    #expect(files.count > 1)
    let known = Set(RecordField.allCases.map(\.rawValue) + ["KIND", "MESSAGE", "PRIORITY", "MESSAGE_ID"])
    for file in files {
      let commands = try Self.lines(of: file).filter { $0.hasPrefix("Exec") }
      #expect(!commands.isEmpty)
      for command in commands {
        let program = command.drop { $0 != "=" }.dropFirst().split(separator: " ").first.map(String.init)
        #expect(program == "/bin/echo" || Self.scripts.contains { program == "/usr/local/lib/nodepassd/\($0)" })
        for part in command.components(separatedBy: "${NODEPASSD_").dropFirst() {
          #expect(known.contains(String(part.prefix { $0 != "}" })), "\(part)")
        }
      }
    }
    for script in Self.scripts { #expect(try !Self.text(script).contains("eval")) }
  }

  @Test func theReadmeNamesWhatThereIs() throws {
    let readme = try Self.text("README.md")
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.directory.path()) where name != "README.md" {
      #expect(readme.contains(name), "\(name)")
    }
    for part in readme.components(separatedBy: "`NODEPASSD_").dropFirst() {
      let name = String(part.prefix { $0 != "`" && $0 != "=" })
      #expect(
        RecordField(rawValue: name) != nil || ["KIND", "MESSAGE", "PRIORITY", "MESSAGE_ID"].contains(name), "\(name)")
    }
  }

  // MARK: The scripts

  @Test(arguments: scripts) func theScriptIsOne(name: String) throws {
    let file = Self.directory.appending(path: name)
    #expect(FileManager.default.isExecutableFile(atPath: file.path()))
    #expect(try AlertScript.run("/bin/bash", ["-n", file.path()], [:]).status == 0)
  }

  /// What comes from other machines may look like anything.
  private static let hostile = [
    "NODEPASSD_KIND": "held", "NODEPASSD_MESSAGE": "Holding a remedy", "NODEPASSD_PRIORITY": "4",
    "NODEPASSD_NODE": "edge-1", "NODEPASSD_DRIFT": "x\"\nBcc: everybody@example.org\r\nX: 1",
    "NODEPASSD_REASON":
      "quotes \" ' \\ \\n \\u0041 $(touch hit) `touch hit` ; touch hit & | ${HOME} %s %n * é \u{1f600}",
    "NODEPASSD_ADVICE": "lines\nand\ttabs\u{1}\u{7f}\n.\n~! touch hit\n--\n",
    "NODEPASSD_OBSTACLE": String(repeating: "long & ", count: 300), "NODEPASSD_RULE": "",
  ]

  @Test func theWebhookPostsValidJSON() throws {
    let script = try AlertScript("webhook.sh", stubs: ["curl"])
    try script.write("https://hooks.example/t/SECRET?a=1", "webhook-url")
    let end = try script.run(Self.hostile.merging(["CREDENTIALS_DIRECTORY": script.path]) { $1 })
    #expect(end.status == 0, "\(end.output)")
    let body = try #require(script.input("curl"))
    let json = try #require(try JSONSerialization.jsonObject(with: body) as? [String: String])
    for (name, value) in Self.hostile {
      let key = name.dropFirst("NODEPASSD_".count).lowercased()
      let printed = String(
        String.UnicodeScalarView(value.unicodeScalars.map { ["\r", "\u{1}", "\u{7f}"].contains($0) ? " " : $0 }))
      #expect(json[key] == (value.isEmpty ? nil : printed), "\(key)")
    }
    #expect(json["text"]?.contains("Holding a remedy") == true && json["host"]?.isEmpty == false)
    // The address goes by a descriptor; a command line is everybody's to read.
    let arguments = try #require(script.arguments("curl"))
    #expect(!arguments.contains { $0.contains("SECRET") || $0.contains("edge-1") })
    #expect(script.descriptor("curl") == "url = \"https://hooks.example/t/SECRET?a=1\"\n")
    #expect(!script.exists("hit") && !end.output.contains("SECRET"))
  }

  @Test(arguments: [
    "", "\n", "ftp://a", "https://a b", "https://a\" \nproxy = \"x", "file:///etc/shadow", "https://a\\b",
  ]) func theWebhookTakesNoOtherAddress(address: String) throws {
    let script = try AlertScript("webhook.sh", stubs: ["curl"])
    try script.write(address, "webhook-url")
    let end = try script.run(Self.hostile.merging(["CREDENTIALS_DIRECTORY": script.path]) { $1 })
    #expect(end.status != 0 && script.arguments("curl") == nil)
  }

  @Test func theWebhookThatFailsIsAFailure() throws {
    let script = try AlertScript("webhook.sh", stubs: ["curl"], status: 22)
    try script.write("http://[::1]:8080/x\n", "webhook-url")
    #expect(try script.run(["CREDENTIALS_DIRECTORY": script.path]).status == 22)
    #expect(try script.run(["CREDENTIALS_DIRECTORY": script.path + "/nowhere"]).status != 0)
  }

  @Test func theMailIsOneMessage() throws {
    let script = try AlertScript("mail.sh", stubs: ["sendmail"])
    let end = try script.run(Self.hostile.merging(["ALERT_MAIL_TO": "ops@example.org"]) { $1 })
    #expect(end.status == 0, "\(end.output)")
    #expect(script.arguments("sendmail") == ["-oi", "-t"])
    let message = String(decoding: try #require(script.input("sendmail")), as: UTF8.self)
    let end2 = try #require(message.range(of: "\n\n"))
    let headers = message[..<end2.lowerBound].split(separator: "\n", omittingEmptySubsequences: false)
    #expect(
      headers.map { String($0.prefix { $0 != ":" }) } == [
        "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
      ])
    #expect(headers.first == "To: ops@example.org")
    #expect(headers.allSatisfy { $0.utf8.count < 250 && $0.utf8.allSatisfy { (0x20..<0x7f).contains($0) } })
    let encoded = String(message[end2.upperBound...])
    #expect(encoded.split(separator: "\n").allSatisfy { $0.utf8.count <= 76 })
    let body = String(
      decoding: try #require(Data(base64Encoded: encoded, options: .ignoreUnknownCharacters)), as: UTF8.self)
    for (name, value) in Self.hostile where !value.isEmpty { #expect(body.contains(value), "\(name)") }
    #expect(!script.exists("hit"))
  }

  /// Where a machine has a sendmail it would be found.
  private static let hasSendmail = ["/bin", "/usr/bin", "/usr/sbin", "/usr/lib"].contains {
    FileManager.default.fileExists(atPath: "\($0)/sendmail")
  }

  @Test(.disabled(if: hasSendmail)) func withoutSendmailMailIsAsked() throws {
    let script = try AlertScript("mail.sh", stubs: ["mail"])
    let end = try script.run(Self.hostile)
    #expect(end.status == 0, "\(end.output)")
    let arguments = try #require(script.arguments("mail"))
    #expect(arguments.count == 3 && arguments.first == "-s" && arguments.last == "root")
    #expect(arguments[1].contains("Holding a remedy") && !arguments[1].contains("\n"))
    #expect(String(decoding: try #require(script.input("mail")), as: UTF8.self).contains("$(touch hit)"))
  }

  @Test(arguments: ["-X/tmp/log root", "a\nBcc: b", " a"]) func theMailGoesToAnAddressOnly(to: String) throws {
    let script = try AlertScript("mail.sh", stubs: ["sendmail"])
    #expect(try script.run(["ALERT_MAIL_TO": to]).status != 0)
    #expect(script.arguments("sendmail") == nil)
  }
}
