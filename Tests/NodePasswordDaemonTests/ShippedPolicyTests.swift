import Foundation
import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct ShippedPolicyTests {
  private static let config = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "config")

  private func text(_ name: String) throws -> PolicyText {
    PolicyText(file: name, bytes: Array(try Data(contentsOf: Self.config.appending(path: name))), isDropIn: false)
  }

  @Test func theShippedPolicyIsTheBuiltInOne() throws {
    var policy = try PolicyFile.parse([try text("policy.yaml")]).get()
    for index in policy.rules.indices { policy.rules[index].origin = .builtIn }
    #expect(policy == Policy())
  }

  @Test func theShippedPolicyNamesEveryKey() throws {
    let shipped = String(decoding: try text("policy.yaml").bytes, as: UTF8.self)
    func check(_ keys: [PolicyKey]) {
      for key in keys {
        #expect(shipped.contains("\(key.name):"), "\(key.name)")
        switch key.shape {
        case .section(let inner), .sections(let inner): check(inner)
        default: break
        }
      }
    }
    check(PolicySchema.main)
  }

  @Test func theExamplesAreAccepted() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.config.appending(path: "examples").path())
    #expect(names.count >= 3)
    for name in names {
      if case .failure(let rejection) = PolicyFile.parse([try text("examples/\(name)")]) {
        Issue.record("\(rejection)")
      }
    }
  }

  @Test func theCommittedSchemaIsTheGeneratedOne() throws {
    let committed = String(decoding: try text("policy.schema.json").bytes, as: UTF8.self)
    #expect(committed == PolicySchema.json)
    _ = try JSONSerialization.jsonObject(with: Data(committed.utf8))
  }
}
