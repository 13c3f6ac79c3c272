/// Events have two spellings, one for each group that serves them; the store keeps the core one (observed-k3s 12).
enum EventForm {
  /// events.k8s.io on the left, the core on the right.
  private static let names = [
    ("regarding", "involvedObject"), ("note", "message"), ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"), ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"), ("deprecatedCount", "count"),
  ]

  static let newGroup = "events.k8s.io"

  /// From a client's spelling into the core's. A patch is an Event with members left out.
  static func stored(_ event: JSONValue, group: String) -> JSONValue {
    guard group == newGroup else { return event }
    var result = event
    for (new, core) in names {
      guard let value = event[new] else { continue }
      result[core] = value
      result[new] = nil
    }
    if event["apiVersion"] != nil { result["apiVersion"] = "v1" }
    return result
  }

  /// From the core's spelling into that of the group that was asked.
  static func shown(_ event: JSONValue, group: String) -> JSONValue {
    guard group == newGroup else { return event }
    var result = event
    for (new, core) in names {
      result[core] = nil
      result[new] = event[core]
    }
    result["apiVersion"] = "events.k8s.io/v1"
    return result
  }

  /// What the server fills in.
  static func completed(_ event: JSONValue) -> JSONValue {
    var result = event
    for (name, value) in [
      ("source", [:] as JSONValue), ("firstTimestamp", nil), ("lastTimestamp", nil), ("eventTime", nil),
      ("reportingComponent", ""), ("reportingInstance", ""),
    ] where result[name] == nil {
      result[name] = value
    }
    return result
  }
}
