extension LegacyObservation {
  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] {
    if case .absent = file, era?.rowOrder == nil {
      let elsewhere = version.value.flatMap { $0.legacyEra == nil ? "; \($0.passwordStorage)" : nil } ?? ""
      return [Explanation.Fact("node-passwd", "there is none\(elsewhere)")]
    }
    var facts = [
      Explanation.Fact("node-passwd", FactList.word(file, absent: "there is none: all names are free", spell)),
      Explanation.Fact("version", FactList.word(version, absent: "no Node of this server tells it", spell)),
    ]
    if let own { facts.append(Explanation.Fact("own row", spell(own))) }
    if case .present = file {
      facts.append(Explanation.Fact("beside the Nodes", FactList.word(census, absent: "", spell)))
    }
    return facts
  }

  private func spell(_ file: LegacyFileFacts) -> String {
    var words = ["\(file.rowCount) rows"]
    if file.faultCount > 0 { words.append("\(file.faultCount) lines that K3s cannot read") }
    if file.shadowedCount > 0 { words.append("\(file.shadowedCount) of them passed over") }
    if file.displaced > 0 { words.append("\(file.displaced) displaced by a change of ours") }
    return words.joined(separator: ", ")
  }

  private func spell(_ version: KubernetesVersion) -> String {
    let number = "1.\(version.minor).\(version.patch)"
    switch era {
    case nil: return "\(number), older than the file"
    case .twoColumns: return "\(number): goes by the first row of a name"
    case .fourColumns: return "\(number): goes by the last row of a name"
    case .migrates: return "\(number): makes Secrets of it at its start, and removes it"
    case .unused: return "\(number): does not read it"
    }
  }

  private func spell(_ own: OwnRow) -> String {
    guard let row = own.password else { return "there is none of \(own.name): its name is free" }
    let escrow =
      switch row.isInEscrow {
      case nil: "no escrow to hold it against"
      case .some(true): "the one in escrow"
      case .some(false): "not the one in escrow"
      }
    return "\(row.isInFile ? "the password in the file" : "not the password in the file"), \(escrow)"
  }

  private func spell(_ census: LegacyCensus) -> String {
    "\(census.withRow) of \(census.nodes) Nodes have a row, \(census.withRowAloneCount) of them no Secret; "
      + "\(census.strangers) rows are of no Node"
  }
}
