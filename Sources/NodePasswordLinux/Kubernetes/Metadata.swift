import NodePasswordCore

/// What counts of an object's metadata, or of a list's.
package struct Metadata {
  /// On the bookmark that ends the first part of a streaming list (observed-k3s 12).
  private static let endMark: StaticString = "k8s.io/initial-events-end"
  private static let approvalMark: StaticString = "nodepassd.io/approve"

  package var name = ""
  package var uid = ""
  package var resourceVersion = ""
  package var isBeingDeleted = false
  /// Of a list: where its next page begins.
  package var continuation = ""
  package var endsInitialEvents = false
  /// Of a Node: its approval annotation, to be told from another; `nil`: it has none (design 6).
  package var approval: ContentDigest?

  /// Every object that is stored has all three.
  var isComplete: Bool { !name.isEmpty && !uid.isEmpty && !resourceVersion.isEmpty }

  init() {}

  init(_ scanner: inout JSONScanner) throws(JSONScanner.Defect) {
    var found = Metadata()
    try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
      switch key {
      case "name": found.name = try scanner.text()
      case "uid": found.uid = try scanner.text()
      case "resourceVersion": found.resourceVersion = try scanner.text()
      case "continue": found.continuation = try scanner.text()
      case "deletionTimestamp": found.isBeingDeleted = !(try scanner.text().isEmpty)
      case "annotations":
        try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
          if Self.endMark ~= key {
            found.endsInitialEvents = try scanner.text() == "true"
          } else if Self.approvalMark ~= key {
            found.approval = ContentDigest(FNV1a.digest(try scanner.text().utf8))
          } else {
            try scanner.skip()
          }
        }
      default: try scanner.skip()
      }
    }
    self = found
  }

  /// The metadata of an object, whatever else it has.
  init(ofObject scanner: inout JSONScanner) throws(JSONScanner.Defect) {
    var found = Metadata()
    try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
      if "metadata" ~= key { found = try Metadata(&scanner) } else { try scanner.skip() }
    }
    self = found
  }
}

/// One page of a list.
package struct MetadataPage {
  package var list = Metadata()
  private var kind = ""
  private var hasItems = false

  /// - Parameter take: gets each item.
  /// - Returns: `nil` where this is no page of a list: what is only like one must not count as an empty list (law L3).
  package init?(_ document: [UInt8], _ take: (Metadata) -> Void) {
    let page = JSONScanner.read(document) { (scanner) throws(JSONScanner.Defect) in
      var page = MetadataPage()
      try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
        switch key {
        case "kind": page.kind = try scanner.text()
        case "metadata": page.list = try Metadata(&scanner)
        case "items":
          page.hasItems = true
          try scanner.array { (scanner) throws(JSONScanner.Defect) in
            let item = try Metadata(ofObject: &scanner)
            guard item.isComplete else { throw JSONScanner.Defect() }
            take(item)
          }
        default: try scanner.skip()
        }
      }
      return page
    }
    guard let page, page.hasItems, page.kind.hasSuffix("List"), !page.list.resourceVersion.isEmpty else { return nil }
    self = page
  }

  private init() {}
}

/// One line of a watch.
package struct MetadataEvent {
  package var type = ""
  package var object = Metadata()
  /// Of the `Status` in an `ERROR`.
  package var code: Int?
  package var message = ""

  /// `nil`: this is no event.
  package init?(_ line: [UInt8]) {
    let event = JSONScanner.read(line) { (scanner) throws(JSONScanner.Defect) in
      var event = MetadataEvent()
      try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
        switch key {
        case "type": event.type = try scanner.text()
        case "object": try event.readObject(&scanner)
        default: try scanner.skip()
        }
      }
      return event
    }
    guard let event else { return nil }
    self = event
  }

  private init() {}

  private mutating func readObject(_ scanner: inout JSONScanner) throws(JSONScanner.Defect) {
    var read = self
    try scanner.object { (scanner, key) throws(JSONScanner.Defect) in
      switch key {
      case "metadata": read.object = try Metadata(&scanner)
      case "code": read.code = try scanner.integer()
      case "message": read.message = try scanner.text()
      default: try scanner.skip()
      }
    }
    self = read
  }
}
