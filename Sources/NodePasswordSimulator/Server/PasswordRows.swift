import NodePasswordCore
import NodePasswordDaemon

/// Where a server up to 1.19 keeps node passwords: `cred/node-passwd`, on its own disk or a real one.
package struct RowFile: Sendable {
  package var read: @Sendable () -> [UInt8]?
  /// The whole file, renamed over the one that is there.
  package var write: @Sendable ([UInt8]) -> Void

  package init(read: @escaping @Sendable () -> [UInt8]?, write: @escaping @Sendable ([UInt8]) -> Void) {
    self.read = read
    self.write = write
  }
}

extension ServerModel {
  /// Compares the password with the row of that name, and makes one where there is none (k3s-facts 2.1, 2.3). The file is
  /// read for each request; one line that cannot be read, and nobody is let in.
  mutating func admitByRow(_ name: String, _ password: [UInt8]) throws(SupervisorRefusal) {
    let text = rowFile.map { $0.read() } ?? legacy.text
    var rows: [[UInt8]: [UInt8]]
    switch Self.rows(text ?? []) {
    case .success(let found): rows = found
    case .failure(let fault): throw SupervisorRefusal(code: 403, words: fault.words)
    }
    let key = Array(name.utf8)
    if let stored = rows[key] {
      guard stored != password else { return }
      throw SupervisorRefusal(
        code: 403,
        words: "Node password validation failed for '\(name)', using passwd file "
          + "'\(distribution.defaultDataDirectory)/server/cred/node-passwd'")
    }
    rows[key] = password
    let new = Self.text(rows)
    if let rowFile { rowFile.write(new) } else { legacy.put(LegacyPasswordFile(SecretBytes(copying: new))) }
  }

  private struct RowFault: Error {
    var words: String
  }

  /// The last row of a name stays.
  private static func rows(_ text: [UInt8]) -> Result<[[UInt8]: [UInt8]], RowFault> {
    text.withUnsafeBytes { text in
      var rows: [[UInt8]: [UInt8]] = [:]
      do throws(GoCSV.Fault) {
        for record in try GoCSV.records(in: text) {
          guard record.count >= 2 else {
            return .failure(RowFault(words: "must have at least 2 columns (password, name), found \(record.count)"))
          }
          rows[record[1].withBytes { Array($0) }] = record[0].withBytes { Array($0) }
        }
      } catch {
        return .failure(RowFault(words: "parse error on \(error)"))
      }
      return .success(rows)
    }
  }

  /// In whatever order the map has.
  private static func text(_ rows: [[UInt8]: [UInt8]]) -> [UInt8] {
    rows.flatMap { name, password in
      let name = SecretBytes(copying: name)
      return GoCSV.line([SecretBytes(copying: password), name, name, SecretBytes(copying: [])]).withBytes { Array($0) }
    }
  }
}
