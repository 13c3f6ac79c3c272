import Foundation
import NodePasswordCore
import NodePasswordSimulator
import Testing

private let kubectl = "/usr/bin/kubectl"

/// The real kubectl against the stand-in, where there is one.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: kubectl)))
struct ServerKubectlTests {
  private struct Demo {
    let standIn: StandIn
    let directory: String

    init(_ version: ServerVersion) throws {
      directory = NSTemporaryDirectory() + "stand-in-\(UUID().uuidString)"
      let nodes = try ["alpha", "beta"].map { (name: try #require(NodeName($0)), password: "password of \($0)") }
      standIn = try StandIn.serve(
        .init(server: .init(version: version)), directory: directory, nodes: nodes)
    }

    func end() {
      standIn.stop()
      try? FileManager.default.removeItem(atPath: directory)
    }

    /// Output and errors together, and the status.
    func run(_ arguments: String..., file: String = "kubeconfig") throws -> (output: String, status: Int32) {
      let process = Process()
      let pipe = Pipe()
      process.executableURL = URL(fileURLWithPath: kubectl)
      process.arguments = ["--kubeconfig", "\(directory)/\(file)", "--cache-dir", "\(directory)/cache"] + arguments
      process.standardOutput = pipe
      process.standardError = pipe
      try process.run()
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return (String(decoding: data, as: UTF8.self), process.terminationStatus)
    }
  }

  private static let secret = "alpha.node-password.k3s"

  @Test(arguments: [ServerVersion.v1_21_3, .v1_34_2])
  func readsAndWrites(version: ServerVersion) throws {
    let demo = try Demo(version)
    defer { demo.end() }
    let secrets = try demo.run("get", "secrets", "-n", "kube-system")
    #expect(secrets.status == 0 && secrets.output.contains(Self.secret), "\(secrets.output)")
    #expect(secrets.output.contains("AGE"), "\(secrets.output)")
    let yaml = try demo.run("get", "secret", Self.secret, "-n", "kube-system", "-o", "yaml", file: "kubeconfig-token")
    #expect(yaml.status == 0 && yaml.output.contains("immutable: true"), "\(yaml.output)")
    let nodes = try demo.run("get", "nodes")
    #expect(nodes.status == 0 && nodes.output.contains("Ready"), "\(nodes.output)")
    let described = try demo.run("describe", "node", "alpha")
    #expect(described.status == 0 && described.output.contains("InternalIP"), "\(described.output)")
    let describedSecret = try demo.run("describe", "secret", Self.secret, "-n", "kube-system")
    #expect(describedSecret.status == 0 && describedSecret.output.contains("113 bytes"), "\(describedSecret.output)")
    let annotated = try demo.run("annotate", "node", "alpha", "nodepassd.io/approve=x@1")
    #expect(annotated.status == 0, "\(annotated.output)")
    let read = try demo.run("get", "node", "alpha", "-o", "jsonpath={.metadata.annotations}")
    #expect(read.output.contains("nodepassd.io/approve"), "\(read.output)")
    let deleted = try demo.run("delete", "secret", Self.secret, "-n", "kube-system")
    #expect(deleted.status == 0 && deleted.output.contains("deleted"), "\(deleted.output)")
    let missing = try demo.run("get", "secret", Self.secret, "-n", "kube-system")
    #expect(missing.status == 1 && missing.output.contains("NotFound"), "\(missing.output)")
    let removed = try demo.run("delete", "node", "beta")
    #expect(removed.status == 0, "\(removed.output)")
  }

  @Test func watchesSecrets() throws {
    let demo = try Demo(.v1_34_2)
    defer { demo.end() }
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: kubectl)
    process.arguments = [
      "--kubeconfig", "\(demo.directory)/kubeconfig", "--cache-dir", "\(demo.directory)/cache", "get", "secrets", "-n",
      "kube-system", "-w",
    ]
    process.standardOutput = pipe
    try process.run()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    var seen = ""
    func wait(for words: String) {
      while !seen.contains(words) {
        let data = pipe.fileHandleForReading.availableData
        guard !data.isEmpty else { return }
        seen += String(decoding: data, as: UTF8.self)
      }
    }
    wait(for: "beta.node-password.k3s")
    let body: JSONValue = ["metadata": ["name": "gamma.node-password.k3s"]]
    _ = demo.standIn.withModel { model in
      model.handle(
        APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: body.bytes),
        at: WallTime(seconds: 1_795_384_835))
    }
    wait(for: "gamma.node-password.k3s")
    #expect(seen.contains("gamma.node-password.k3s"), "\(seen)")
  }
}
