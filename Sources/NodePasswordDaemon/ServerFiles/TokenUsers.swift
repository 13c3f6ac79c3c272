import NodePasswordCore

/// `cred/passwd`: who may join by a password, as K3s reads it (k3s-facts 2.1, 3.2). Columns: password, user, uid, groups.
package struct TokenUsers: Sendable {
  package struct User: Sendable {
    package var password: SecretBytes
    package var groups: [String]
  }

  /// Why K3s would not read the file; without a part of it.
  package struct Fault: Error, Hashable, Sendable {
    package var words: String
  }

  private static let named = ["node", "server"]

  /// Those whose password is a token's.
  package private(set) var users: [String: User] = [:]
  package private(set) var rows = 0
  package private(set) var administrators = 0

  /// Read into a map by name, as K3s does: the last row of a name wins.
  package init(_ text: SecretBytes) throws(Fault) {
    let records: [[SecretBytes]]
    do throws(GoCSV.Fault) {
      records = try Self.records(in: text)
    } catch {
      throw Fault(words: "\(error)")
    }
    rows = records.count
    var administrators: Set<[UInt8]> = []
    for (index, record) in records.enumerated() {
      guard record.count > 1 else { throw Fault(words: "row \(index + 1): it has fewer than 2 columns") }
      let groups = record.count > 3 ? Self.groups(record[3]) : []
      let name = record[1].withBytes { Array($0) }
      if groups.contains("system:masters") { administrators.insert(name) } else { administrators.remove(name) }
      guard let user = Self.named.first(where: { $0.utf8.elementsEqual(name) }) else { continue }
      users[user] = User(password: record[0], groups: groups)
    }
    self.administrators = administrators.count
  }

  private static func records(in text: SecretBytes) throws(GoCSV.Fault) -> [[SecretBytes]] {
    let result = text.withBytes { bytes -> Result<[[SecretBytes]], GoCSV.Fault> in
      do throws(GoCSV.Fault) {
        return .success(try GoCSV.records(in: bytes))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private static func groups(_ field: SecretBytes) -> [String] {
    field.withBytes { bytes in
      bytes.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
