import NodePasswordCore
import NodePasswordLinux

extension ParserProperty {
  static let json = [
    ParserProperty("watch-event", words: words, texts: events) {
      try JSONProperty.readsEvents($0)
      try JSONProperty.readsStrings($0)
    },
    ParserProperty("metadata-page", words: words, texts: pages) { try JSONProperty.readsPages($0) },
    ParserProperty(
      "watch-lines", words: ["\n", "\n\n", "{}"],
      texts: ["\u{1}a\nb\n\nc", "\u{3}{\"a\":1}\n{\"b\":2}\n", "", "\u{2}\n\n"]
    ) { try JSONProperty.cutsLines($0) },
  ]

  private static let words = [
    "\"type\":", "\"object\":", "\"metadata\":", "\"name\":", "\"uid\":", "\"resourceVersion\":", "\"continue\":",
    "\"items\":",
    "\"annotations\":", "\"nodepassd.io/approve\":", "\"k8s.io/initial-events-end\":", "\"true\"",
    "\"deletionTimestamp\":",
    "\"code\":", "\"message\":", "\"kind\":", "\"NodeList\"", "null", "{}", "[]", ",", "410", "-0", "1e3", "\\u0041",
    "\\ud83d\\ude00",
    "\\\"", "\"x\"", "true",
  ]

  private static let events = [
    #"{"type":"ADDED","object":{"kind":"Node","metadata":{"name":"edge-7","uid":"u","resourceVersion":"1"},"spec":{"a":[1,{}]}}}"#,
    #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
    #"{"type":"ERROR","object":{"kind":"Status","metadata":{},"code":410,"message":"too old \"x\" \u0041\ud83d\ude00"}}"#,
    #"{"type":"MODIFIED","object":{"metadata":{"name":"a","annotations":{"nodepassd.io/approve":"u@t"},"deletionTimestamp":"t"}}}"#,
    #" { "type" : null , "object" : null } "#, #"{"type":{"a":[]},"object":{"code":"5","metadata":null}}"#, "{}",
    "null", "[]", "",
    #"{"type":"\u+041"}"#, #"\u+041"#, #"\u-000"#, #"\ud83d\ude00x"#, #"{"type":"\ud800x\udc00"}"#,
    #"{"object":{"code":-0},"object":{"message":"m"}}"#,
    #"{"a":1e+5,"type":"x"}"#,
  ]

  private static let pages = [
    #"{"kind":"NodeList","metadata":{"resourceVersion":"5","continue":"c"},"items":[{"metadata":{"name":"a","uid":"u","resourceVersion":"1"}}]}"#,
    #"{"kind":"SecretList","metadata":{"resourceVersion":"5"},"items":null}"#, #"{"kind":"NodeList","items":[]}"#,
    #"{"kind":"Status","metadata":{},"code":403}"#,
    #"{"items":[{"metadata":{"name":"a"}}],"kind":"List","metadata":{"resourceVersion":"1"}}"#,
  ]
}

private enum JSONProperty {
  /// What counts of some metadata, however it was read.
  struct Facts: Equatable {
    var texts = ["", "", "", ""]
    var isBeingDeleted = false
    var endsInitialEvents = false
    var approval: ContentDigest?

    var isComplete: Bool { !texts[..<3].contains("") }

    init() {}

    init(_ metadata: Metadata) {
      texts = [metadata.name, metadata.uid, metadata.resourceVersion, metadata.continuation]
      isBeingDeleted = metadata.isBeingDeleted
      endsInitialEvents = metadata.endsInitialEvents
      approval = metadata.approval
    }

    /// `nil`: it is no object where one has to be.
    init?(_ value: ReferenceJSON) {
      guard let members = value.members else { return nil }
      let names = ["name", "uid", "resourceVersion", "continue"]
      for member in members {
        let (name, value) = (member.name.text, member.value)
        if let place = names.firstIndex(of: name) { texts[place] = value.text }
        if name == "deletionTimestamp" { isBeingDeleted = !value.text.isEmpty }
        guard name == "annotations" else { continue }
        guard let annotations = value.members else { return nil }
        for annotation in annotations {
          let text = annotation.value.text
          if annotation.name.text == "k8s.io/initial-events-end" { endsInitialEvents = text == "true" }
          if annotation.name.text == "nodepassd.io/approve" { approval = ContentDigest(FNV1a.digest(text.utf8)) }
        }
      }
    }
  }

  struct Event: Equatable {
    var type = ""
    var object = Facts()
    var code: Int?
    var message = ""

    init(_ event: MetadataEvent) {
      (type, object, code, message) = (event.type, Facts(event.object), event.code, event.message)
    }

    init?(_ value: ReferenceJSON) {
      guard let members = value.members else { return nil }
      for member in members {
        if member.name.text == "type" { type = member.value.text }
        guard member.name.text == "object" else { continue }
        guard let parts = member.value.members else { return nil }
        for part in parts {
          switch part.name.text {
          case "metadata":
            guard let facts = Facts(part.value) else { return nil }
            object = facts
          case "code": code = part.value.integer
          case "message": message = part.value.text
          default: break
          }
        }
      }
    }
  }

  static func readsEvents(_ input: [UInt8]) throws {
    let event = MetadataEvent(input).map(Event.init)
    guard let value = ReferenceJSON(input) else { return }
    try same(event, Event(value), "an event")
    guard event != nil else { return }
    // A document that was cut short is none.
    let ink = input.lastIndex { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } ?? 0
    for end in [ink, ink / 2, ink * 3 / 4] {
      try require(MetadataEvent(Array(input[..<end])) == nil || value == .null, "an event that was cut short")
    }
    try require(MetadataEvent(input + [UInt8(ascii: "x")]) == nil, "an event with something behind it")
  }

  /// A string is checked in full, but for control characters, which do no harm.
  static func readsStrings(_ input: [UInt8]) throws {
    guard isOneString(input) else { return }
    let document = Array(#"{"type":""#.utf8) + input + Array(#""}"#.utf8)
    guard let event = MetadataEvent(document), event.type != "" else { return }
    let value = try require(ReferenceJSON(document), "a string that is none was read")
    try same(event.type, Event(value)?.type, "a string")
  }

  /// No quote ends it before its end.
  private static func isOneString(_ input: [UInt8]) -> Bool {
    var rest = input[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return false }
      if byte == UInt8(ascii: "\\") { rest = rest.dropFirst() }
    }
    return true
  }

  static func readsPages(_ input: [UInt8]) throws {
    var items: [Facts] = []
    let page = MetadataPage(input) { items.append(Facts($0)) }
    guard let value = ReferenceJSON(input) else { return }
    let members = value.members ?? []
    func last(_ name: String) -> ReferenceJSON? { members.last { $0.name.text == name }?.value }
    let lists = members.filter { $0.name.text == "items" }.map { list in
      list.value.elements?.map { item in
        item.members.flatMap { parts in
          parts.reduce(Facts() as Facts?) { found, part in
            part.name.text == "metadata" ? found.flatMap { _ in Facts(part.value) } : found
          }
        }
      }
    }
    let heads = members.filter { $0.name.text == "metadata" }.map { Facts($0.value) }
    let isPage =
      value.members != nil && !lists.isEmpty && lists.allSatisfy { $0?.allSatisfy { $0?.isComplete ?? false } ?? false }
      && !heads.contains(nil) && heads.last??.texts[2] ?? "" != "" && last("kind")?.text.hasSuffix("List") ?? false
    try same(page != nil, isPage, "a page")
    guard let page else { return }
    try same(items, lists.flatMap { $0?.compactMap { $0 } ?? [] }, "items")
    try same(Facts(page.list), heads.last ?? nil, "the list's metadata")
  }

  /// Whatever parts a stream comes in, its lines are the same.
  static func cutsLines(_ input: [UInt8]) throws {
    let size = Int(input.first ?? 0) % 7 + 1
    let stream = input.dropFirst()
    var buffer = WatchLines()
    var lines: [[UInt8]] = []
    var rest = stream
    while !rest.isEmpty {
      lines += buffer.add(rest.prefix(size))
      rest = rest.dropFirst(size)
    }
    let whole = stream.split(separator: 0x0a, omittingEmptySubsequences: false).map(Array.init)
    try same(lines, whole.dropLast().filter { !$0.isEmpty }, "lines")
    try same(buffer.restCount, whole.last?.count ?? 0, "the rest")
  }
}
