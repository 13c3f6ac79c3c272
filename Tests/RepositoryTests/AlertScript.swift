import Foundation

/// A script of `config/alerting`, run in a private directory with stand-ins for the programs it calls, which keep what
/// they are given.
final class AlertScript {
  let path: String
  private let script: String

  init(_ name: String, stubs: [String], status: Int = 0) throws {
    path = FileManager.default.temporaryDirectory.appending(path: "nodepassd-\(UUID().uuidString)").path()
    script = RepositoryTests.root.appending(path: "config/alerting/\(name)").path()
    try FileManager.default.createDirectory(atPath: path + "/bin", withIntermediateDirectories: true)
    for stub in stubs {
      let text = """
        #!/bin/bash
        printf '%s\\0' "$@" >'\(path)/\(stub).arguments'
        cat >'\(path)/\(stub).input'
        [ ! -e /dev/fd/3 ] || cat /dev/fd/3 >'\(path)/\(stub).descriptor'
        exit \(status)
        """
      try write(text, "bin/\(stub)")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/bin/\(stub)")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, _ name: String) throws {
    try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)"))
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  func input(_ stub: String) -> Data? { try? Data(contentsOf: URL(filePath: "\(path)/\(stub).input")) }

  func descriptor(_ stub: String) -> String? {
    (try? Data(contentsOf: URL(filePath: "\(path)/\(stub).descriptor"))).map { String(decoding: $0, as: UTF8.self) }
  }

  func arguments(_ stub: String) -> [String]? {
    guard let data = try? Data(contentsOf: URL(filePath: "\(path)/\(stub).arguments")) else { return nil }
    return data.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// With the stand-ins before what this machine has.
  func run(_ environment: [String: String]) throws -> (status: Int32, output: String) {
    let variables = environment.merging(["PATH": "\(path)/bin:/usr/bin:/bin"]) { $1 }
    return try Self.run("/bin/bash", [script], variables, in: path)
  }

  static func run(
    _ program: String, _ arguments: [String], _ environment: [String: String], in directory: String = "/"
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
