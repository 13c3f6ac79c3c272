import Dispatch

/// What every queue of local files runs on: a pass goes from one such port to the next, and each change of thread would
/// cost it as much as the reading.
enum FileQueue {
  static let shared = DispatchQueue(label: "nodepassd.files", qos: .userInitiated)
}
