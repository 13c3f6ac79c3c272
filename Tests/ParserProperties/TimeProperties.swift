import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let times = [
    ParserProperty(
      "rfc3339", words: ["2026-11-22T22:00:46", ".079278387Z", "Z", "02-29", "1970-01-01", "2199-12-31", "T23:59:59"],
      texts: [
        "2026-11-22T22:00:46.079278387Z", "2024-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2199-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z", "2026-11-22T22:00:46.100000000Z", "2026-11-22 22:00:46Z", "2026-11-22T24:00:00Z",
        "2026-11-22T22:00:46.000000000Z",
      ]
    ) {
      try TimeProperty.hasOneText($0)
      try TimeProperty.isWrittenAndRead($0)
    },
    ParserProperty(
      "approval-annotation", words: ["@", "2026-05-01T12:00:00Z", "5f0c2d0e-0000-4000-8000-000000000000", "T", "Z"],
      texts: [
        "5f0c2d0e-0000-4000-8000-000000000000@2026-05-01T12:00:00Z", "@2026-05-01T12:00:00Z",
        "a@b@2026-05-01T12:00:00Z", "a@",
        "a b@2026-05-01T12:00:00Z", "rehearsal@1970-01-01T00:00:00Z",
      ]
    ) { try ApprovalProperty.hasOneText($0) },
  ]
}

private enum TimeProperty {
  static func hasOneText(_ input: [UInt8]) throws {
    guard let time = RFC3339.parse(input.text) else { return }
    try same(Array(RFC3339.text(time).utf8), input, "a time's text")
    try require(RFC3339.years ~= (Int(RFC3339.text(time).prefix(4)) ?? 0), "a time's year")
  }

  static func isWrittenAndRead(_ input: [UInt8]) throws {
    var choices = Choices(input)
    // Up to the end of 2199.
    let time = WallTime(nanoseconds: Int64(choices.number() % 7_258_118_400_000_000_000))
    let text = RFC3339.text(time)
    try same(RFC3339.parse(text), time, "\(text) written and read")
    try require(RFC3339.micro(time).hasPrefix(RFC3339.seconds(time) + "."), "in microseconds")
    try require(RFC3339.parse(text + "Z") == nil && RFC3339.parse(" " + text) == nil, "something beside a time")
    let date = text.split(separator: "T")[0].split(separator: "-").compactMap { Int64($0) }
    try same(RFC3339.days(year: date[0], month: date[1], day: date[2]), time.seconds / 86_400, "days")
    let later = RFC3339.text(WallTime(nanoseconds: time.nanoseconds + 1_000_000_000))
    try require(later.prefix(19) > text.prefix(19), "times in their order")
  }
}

private enum ApprovalProperty {
  static func hasOneText(_ input: [UInt8]) throws {
    let text = input.text
    switch ApprovalNote.read([ApprovalNote.annotation: text], of: "edge-7") {
    case .absent: throw Broken(description: "an annotation that is there is none")
    case .unknown(let obstacle):
      // Who may write it may write anything there.
      let words = "\(obstacle)"
      let another = ApprovalNote.read([ApprovalNote.annotation: "x"], of: "edge-7").obstacle.map { "\($0)" }
      try same(words, another, "what is said of one that makes no sense")
    case .present(let note):
      try same("\(note.secretUID)@\(RFC3339.text(note.at))", text, "a note's text")
      try require(!note.secretUID.isEmpty && note.secretUID.utf8.allSatisfy(Ledger.isPlain), "its uid")
    }
  }
}
