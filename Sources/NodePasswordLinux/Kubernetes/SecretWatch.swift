import FoundationEssentials
import NIOCore
import NIOHTTP1
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Watches one Secret by name, for ever: list for the version, watch from there, again from the last version when the
/// stream ends, again from a list when that version is gone, with backoff when nothing answers. What comes is a hint.
final class SecretWatch: Sendable {
  private struct State {
    /// Another number for each watch, so that the answers of an earlier one are dropped.
    var run = 0
    /// Another number for each stream, so that one that is given up has no say any more.
    var stream = 0
    var name = ""
    var version: String?
    var failures = 0
    var isConnected: Bool?
    var wake: (@Sendable (WakeCause) -> Void)?
  }

  private let transport: APITransport
  private let entropy: any Entropy
  private let state = Mutex(State())

  init(transport: APITransport, entropy: any Entropy) {
    self.transport = transport
    self.entropy = entropy
  }

  func start(_ name: String, _ wake: @escaping @Sendable (WakeCause) -> Void) {
    let run = state.withLock { state in
      state = State(run: state.run + 1, name: name, wake: wake)
      return state.run
    }
    list(run)
  }

  func stop() { state.withLock { $0 = State(run: $0.run + 1) } }

  private func isCurrent(_ run: Int) -> Bool { state.withLock { $0.run == run } }

  private func isCurrent(_ run: Int, _ stream: Int) -> Bool { state.withLock { $0.run == run && $0.stream == stream } }

  private var selector: String {
    "fieldSelector=metadata.name%3D\(PercentEncoding.query(state.withLock { $0.name }))"
  }

  // MARK: List

  private func list(_ run: Int) {
    let call = APICall(
      target: "\(KubernetesSecrets.collection)?\(selector)&limit=1",
      accept: APICall.metadataList)
    transport.send(call) { answer in
      guard self.isCurrent(run) else { return }
      guard case .success(let page) = answer, page.status == 200,
        case .success(let list) = APIObjects.decode(APIObjects.List.self, page, at: call.place),
        let version = list.metadata.resourceVersion
      else { return self.lost(run) }
      self.state.withLock { $0.version = version }
      self.watch(run)
    }
  }

  // MARK: Watch

  private func watch(_ run: Int) {
    guard let version = state.withLock({ $0.version }) else { return list(run) }
    let seconds = transport.patience.watch.components.seconds
    let call = APICall(
      target: "\(KubernetesSecrets.collection)?watch=1&\(selector)&allowWatchBookmarks=true"
        + "&timeoutSeconds=\(max(1, seconds))&resourceVersion=\(PercentEncoding.query(version))",
      accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json")
    // A stream that is silent for longer than it was asked for is dead, whatever TCP says.
    let silence = TimeAmount(transport.patience.watch + transport.patience.watch / 2)
    let stream = state.withLock { state in
      state.stream += 1
      return state.stream
    }
    transport.connect(call, { _ in if self.isCurrent(run, stream) { self.lost(run) } }) { channel in
      WatchReader(silence: silence) { [weak self] event in
        guard let self, isCurrent(run, stream) else { return false }
        return take(event, run, channel)
      }
    }
  }

  /// Answers whether to go on reading.
  private func take(_ event: WatchReader.Event, _ run: Int, _ channel: any Channel) -> Bool {
    switch event {
    case .opened(let status) where status == 200:
      connected()
      return true
    case .opened(let status):
      if status == 410 { state.withLock { $0.version = nil } }
      lost(run)
      return false
    case .line(let line): return take(line, run)
    case .ended(let wasClean):
      if wasClean { again(run) } else { lost(run) }
      return false
    }
  }

  private struct Line: Decodable {
    var type: String
    var object: Object

    struct Object: Decodable {
      var metadata: APIObjects.Metadata?
      var code: Int?
    }
  }

  private func take(_ bytes: [UInt8], _ run: Int) -> Bool {
    guard let line = try? JSONDecoder().decode(Line.self, from: Data(bytes)) else {
      lost(run)
      return false
    }
    if line.type == "ERROR" {
      // The version is gone (410), or the server knows best: from a fresh list.
      state.withLock { $0.version = nil }
      // A server that says so again and again is asked less and less often.
      if line.object.code == 410 { startOver(run) } else { lost(run) }
      return false
    }
    let wake = state.withLock { state in
      if let version = line.object.metadata?.resourceVersion { state.version = version }
      state.failures = 0
      return line.type == "BOOKMARK" ? nil : state.wake
    }
    wake?(.secretChanged)
    return true
  }

  // MARK: Connection

  /// Only a watch that was opened is a connection: a server may let us list and not watch. What happened since the last
  /// look is not in the watch that starts here.
  private func connected() {
    let wake = state.withLock { state in
      defer { state.isConnected = true }
      return state.isConnected == true ? nil : state.wake
    }
    wake?(.apiConnected)
  }

  /// The stream ended as it should. A server that ends every stream at once must not be asked in a loop.
  private func again(_ run: Int) { retry(run, failures: 1) }

  private func startOver(_ run: Int) {
    let failures = state.withLock { state in
      state.failures += 1
      return state.failures
    }
    retry(run, failures: failures)
  }

  private func lost(_ run: Int) {
    let (wake, failures) = state.withLock { state in
      guard state.run == run else { return ((@Sendable (WakeCause) -> Void)?.none, -1) }
      defer { state.isConnected = false }
      state.failures += 1
      return (state.isConnected == true ? state.wake : nil, state.failures)
    }
    guard failures >= 0 else { return }
    wake?(.apiLost)
    retry(run, failures: failures)
  }

  private func retry(_ run: Int, failures: Int) {
    let pause = transport.patience.pause(afterFailures: failures, entropy)
    transport.group.next().scheduleTask(in: TimeAmount(pause)) {
      guard self.isCurrent(run) else { return }
      // Without a version `watch` lists first.
      if self.state.withLock({ $0.isConnected }) == true { self.watch(run) } else { self.list(run) }
    }
  }
}
