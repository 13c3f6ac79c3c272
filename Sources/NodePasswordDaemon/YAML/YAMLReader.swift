import CLibYAML
import NodePasswordCore

/// A YAML document as a tree in which every part knows its place.
package struct YAMLNode: Sendable {
  package indirect enum Content: Sendable {
    /// `isPlain`: written without quotes, so that `true`, `3` and `null` may be meant as such.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    case mapping([YAMLEntry])
  }

  package var content: Content
  package var origin: Origin

  package init(_ content: Content, at origin: Origin) {
    self.content = content
    self.origin = origin
  }

  package var scalar: String? {
    if case .scalar(let text, _) = content { text } else { nil }
  }

  package var sequence: [YAMLNode]? {
    if case .sequence(let items) = content { items } else { nil }
  }

  package var mapping: [YAMLEntry]? {
    if case .mapping(let entries) = content { entries } else { nil }
  }

  package subscript(key: String) -> YAMLNode? { mapping?.first { $0.key == key }?.value }
}

package struct YAMLEntry: Sendable {
  package var key: String
  package var keyOrigin: Origin
  package var value: YAMLNode

  package init(key: String, keyOrigin: Origin, value: YAMLNode) {
    self.key = key
    self.keyOrigin = keyOrigin
    self.value = value
  }
}

/// Reads the plain part of YAML that configuration is written in. Anchors, aliases, tags, several documents, keys that
/// are no text, duplicate keys and deep nesting are refused with their place: nobody needs them here, and each of them
/// has hidden something before.
package struct YAMLReader {
  package static let depthLimit = 32
  /// Nodes in one document.
  package static let nodeLimit = 100_000

  /// Whose text it is.
  package enum Strictness: Sendable {
    /// Our own.
    case ours
    /// Another program's, which we read a few keys of and do not judge: anchors and tags mean nothing, an alias is an
    /// empty scalar, of a key that stands twice the last counts, and only the first document is read.
    case foreign
  }

  private let file: String
  private let strictness: Strictness
  private var nodes = 0

  private init(file: String, strictness: Strictness) {
    self.file = file
    self.strictness = strictness
  }

  /// The document in `bytes`; `nil` where there is none but comments.
  package static func read(
    _ bytes: [UInt8], file: String, strictness: Strictness = .ours
  ) throws(PolicyDiagnostic) -> YAMLNode? {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw PolicyDiagnostic(Origin(file: file, line: 1, column: 1), "is not UTF-8 text")
    }
    var reader = YAMLReader(file: file, strictness: strictness)
    var parser = yaml_parser_t()
    guard yaml_parser_initialize(&parser) == 1 else {
      throw PolicyDiagnostic(Origin(file: file, line: 1, column: 1), "cannot be parsed: out of memory")
    }
    defer { yaml_parser_delete(&parser) }
    let outcome: Result<YAMLNode?, PolicyDiagnostic> = bytes.withUnsafeBufferPointer { buffer in
      yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
      do throws(PolicyDiagnostic) {
        return .success(try reader.document(&parser))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  private enum Token {
    case streamStart, streamEnd, documentStart, documentEnd, sequenceEnd, mappingEnd
    case scalar(String, isPlain: Bool)
    case sequenceStart, mappingStart
  }

  private func next(_ parser: inout yaml_parser_t) throws(PolicyDiagnostic) -> (Token, Origin) {
    var event = yaml_event_t()
    guard yaml_parser_parse(&parser, &event) == 1 else {
      let problem = parser.problem.map { String(cString: $0) } ?? "is not YAML"
      throw PolicyDiagnostic(origin(parser.problem_mark), problem)
    }
    defer { yaml_event_delete(&event) }
    let place = origin(event.start_mark)
    switch event.type {
    case YAML_STREAM_START_EVENT: return (.streamStart, place)
    case YAML_STREAM_END_EVENT: return (.streamEnd, place)
    case YAML_DOCUMENT_START_EVENT: return (.documentStart, place)
    case YAML_DOCUMENT_END_EVENT: return (.documentEnd, place)
    case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, place)
    case YAML_MAPPING_END_EVENT: return (.mappingEnd, place)
    case YAML_SEQUENCE_START_EVENT:
      try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, at: place)
      return (.sequenceStart, place)
    case YAML_MAPPING_START_EVENT:
      try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, at: place)
      return (.mappingStart, place)
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      try refuse(anchor: scalar.anchor, tag: scalar.tag, at: place)
      let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      return (.scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), place)
    case YAML_ALIAS_EVENT where strictness == .foreign: return (.scalar("", isPlain: true), place)
    case YAML_ALIAS_EVENT: throw PolicyDiagnostic(place, "aliases (*name) are not accepted")
    default: throw PolicyDiagnostic(place, "is not YAML that is accepted here")
    }
  }

  private func refuse(
    anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at place: Origin
  ) throws(PolicyDiagnostic) {
    if strictness == .foreign { return }
    if anchor != nil { throw PolicyDiagnostic(place, "anchors (&name) are not accepted") }
    if tag != nil { throw PolicyDiagnostic(place, "tags (!name) are not accepted") }
  }

  private mutating func document(_ parser: inout yaml_parser_t) throws(PolicyDiagnostic) -> YAMLNode? {
    var root: YAMLNode?
    while true {
      let (token, place) = try next(&parser)
      switch token {
      case .streamStart, .documentEnd: continue
      case .streamEnd: return root
      case .documentStart:
        if root != nil, strictness == .foreign { return root }
        guard root == nil else { throw PolicyDiagnostic(place, "a second document is not accepted") }
        let (first, firstPlace) = try next(&parser)
        root = try node(first, at: firstPlace, depth: 0, &parser)
      default: throw PolicyDiagnostic(place, "is not YAML that is accepted here")
      }
    }
  }

  private mutating func node(
    _ token: Token, at place: Origin, depth: Int, _ parser: inout yaml_parser_t
  ) throws(PolicyDiagnostic) -> YAMLNode {
    nodes += 1
    guard nodes <= Self.nodeLimit else { throw PolicyDiagnostic(place, "holds more than \(Self.nodeLimit) values") }
    guard depth < Self.depthLimit else {
      throw PolicyDiagnostic(place, "is nested more than \(Self.depthLimit) levels deep")
    }
    switch token {
    case .scalar(let text, let isPlain): return YAMLNode(.scalar(text, isPlain: isPlain), at: place)
    case .sequenceStart: return YAMLNode(.sequence(try items(depth: depth, &parser)), at: place)
    case .mappingStart: return YAMLNode(.mapping(try entries(depth: depth, &parser)), at: place)
    default: throw PolicyDiagnostic(place, "is not YAML that is accepted here")
    }
  }

  private mutating func items(depth: Int, _ parser: inout yaml_parser_t) throws(PolicyDiagnostic) -> [YAMLNode] {
    var items: [YAMLNode] = []
    while true {
      let (token, place) = try next(&parser)
      if case .sequenceEnd = token { return items }
      items.append(try node(token, at: place, depth: depth + 1, &parser))
    }
  }

  private mutating func entries(depth: Int, _ parser: inout yaml_parser_t) throws(PolicyDiagnostic) -> [YAMLEntry] {
    var entries: [YAMLEntry] = []
    var places: [String: Int] = [:]
    while true {
      let (token, place) = try next(&parser)
      if case .mappingEnd = token { return entries }
      guard case .scalar(let key, _) = token else { throw PolicyDiagnostic(place, "a key must be plain text") }
      if let first = places[key], strictness == .ours {
        let line = entries[first].keyOrigin.line
        throw PolicyDiagnostic(place, "“\(key)” stands here a second time; the first is at line \(line)")
      }
      let (value, valuePlace) = try next(&parser)
      let entry = YAMLEntry(
        key: key, keyOrigin: place, value: try node(value, at: valuePlace, depth: depth + 1, &parser))
      if let first = places[key] {
        entries[first] = entry
      } else {
        places[key] = entries.count
        entries.append(entry)
      }
    }
  }

  private func origin(_ mark: yaml_mark_t) -> Origin {
    Origin(file: file, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }
}
