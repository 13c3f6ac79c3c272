import NIOCore
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Lists one collection by its metadata and watches it from there, for ever: a streaming list where the server has them
/// (observed-k3s 12), else a list in pages and a watch from its version.
///
/// A watch goes on from its last version only where the server ended it at the time that was asked for. After every other
/// end the list is made anew: a server whose datastore was put back meanwhile has a lower version, and answers a watch from
/// one that is still to come with nothing at all (observed-k3s 12).
final class MetadataWatch: Sendable {
  enum Report: Sendable {
    /// All that there is.
    case listed([ClusterObject], version: String)
    /// Every change since the list will be told.
    case following
    case changed(ClusterIndex.Change, version: String)
    /// Nothing has changed up to this version.
    case passed(version: String)
    case lost(Obstacle)
  }

  /// What is watched.
  struct Collection: Sendable {
    var path: String
    /// `nil`: not one that counts here.
    var object: @Sendable (Metadata) -> ClusterObject?
  }

  /// Objects of one page.
  private static let pageSize = 500
  /// Bytes of one page: metadata with all its managed fields.
  private static let pageLimit = 16 << 20
  /// Watches in a row, each from where the last one ended, before the list is made anew: about an hour.
  private static let renewalLimit = 12

  struct State {
    /// Another number for each start, so that the answers of an earlier one are dropped.
    var run = 0
    /// Another number for each stream, so that one that is given up has no say any more.
    var stream = 0
    /// `nil`: list first.
    var version: String?
    /// Of a streaming list that has not ended yet.
    var staged: [NodeName: ClusterObject]?
    /// The status of an answer that is no stream; its words follow.
    var refusal: Int?
    /// This server has no streaming lists.
    var pagesOnly = false
    var failures = 0
    var renewals = 0
    var openedAt = NIODeadline.distantPast
    var lastEventAt = NIODeadline.distantPast
    var collection: Collection?
    var report: (@Sendable (Report) -> Void)?
  }

  private let transport: APITransport
  private let entropy: any Entropy
  private let state = Mutex(State())

  init(transport: APITransport, entropy: any Entropy) {
    self.transport = transport
    self.entropy = entropy
  }

  func start(_ collection: Collection, _ report: @escaping @Sendable (Report) -> Void) {
    let run = state.withLock { state in
      state = State(run: state.run + 1, stream: state.stream, collection: collection, report: report)
      return state.run
    }
    begin(run)
  }

  func stop() { state.withLock { $0 = State(run: $0.run + 1, stream: $0.stream) } }

  private func begin(_ run: Int) {
    let (version, pagesOnly) = state.withLock { ($0.version, $0.pagesOnly) }
    if version != nil || !pagesOnly { watch(run) } else { list(run) }
  }

  private func tell(_ report: Report, _ run: Int) {
    // Not under the lock: whoever hears it may stop this.
    state.withLock { $0.run == run ? $0.report : nil }?(report)
  }

  // MARK: Pages

  private struct Pages {
    var objects: [ClusterObject] = []
    /// Of the first page: a watch from there misses nothing.
    var version: String?
  }

  private func list(_ run: Int) {
    guard let collection = state.withLock({ $0.run == run ? $0.collection : nil }) else { return }
    let list = APIList<Pages>(
      path: collection.path, pageSize: Self.pageSize, accept: APICall.metadataList, bodyLimit: Self.pageLimit,
      empty: Pages(), isWanted: { self.state.withLock { $0.run == run } }
    ) { answer, call, pages in
      let page = MetadataPage(answer.body) { item in
        if let object = collection.object(item) { pages.objects.append(object) }
      }
      guard let page else {
        return .failure(Obstacle(.malformed, at: call.place, "the answer is not the list that was asked for"))
      }
      pages.version = pages.version ?? page.list.resourceVersion
      return .success(page.list.continuation)
    }
    transport.read(list) { answer in
      switch answer {
      case .failure(let obstacle): self.lost(obstacle, run)
      case .success(let pages): self.listed(pages, run)
      }
    }
  }

  private func listed(_ pages: Pages, _ run: Int) {
    // There is no list without a page, and no page without its version.
    guard let version = pages.version else { return }
    let isCurrent = state.withLock { state -> Bool in
      guard state.run == run else { return false }
      state.version = version
      state.renewals = 0
      return true
    }
    guard isCurrent else { return }
    tell(.listed(pages.objects, version: version), run)
    watch(run)
  }

  // MARK: Stream

  private func place(_ collection: Collection) -> String { "GET \(collection.path)?watch" }

  private func watch(_ run: Int) {
    let begun = state.withLock { state -> (Collection, String?, Int)? in
      guard state.run == run, let collection = state.collection else { return nil }
      state.stream += 1
      state.staged = state.version == nil ? [:] : nil
      state.refusal = nil
      state.openedAt = .now()
      return (collection, state.version, state.stream)
    }
    guard let (collection, version, stream) = begun else { return }
    let start =
      version.map { "resourceVersion=\(PercentEncoding.query($0))" }
      ?? "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    let call = APICall(
      target: "\(collection.path)?watch=1&allowWatchBookmarks=true&timeoutSeconds=\(askedSeconds)&\(start)",
      accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json")
    // A stream that is silent for longer than it was asked for is dead, whatever TCP says.
    let silence = TimeAmount(transport.patience.watch + transport.patience.watch / 2)
    transport.connect(call, { if self.isCurrent(run, stream) { self.lost($0, run) } }) { channel in
      WatchReader(silence: silence) { [weak self] event in
        guard let self, isCurrent(run, stream) else { return false }
        return take(event, run, stream, channel)
      }
    }
  }

  private var askedSeconds: Int64 { max(1, transport.patience.watch.components.seconds) }

  private func isCurrent(_ run: Int, _ stream: Int) -> Bool {
    state.withLock { $0.run == run && $0.stream == stream }
  }

  /// Answers whether to go on reading.
  private func take(_ event: WatchReader.Event, _ run: Int, _ stream: Int, _ channel: any Channel) -> Bool {
    switch event {
    case .opened(let status):
      let isInitial = state.withLock { state in
        if status != 200 { state.refusal = status }
        state.openedAt = .now()
        state.lastEventAt = .now()
        return state.staged != nil
      }
      if status != 200 { return true }
      if isInitial { awaitEndMark(run, stream, channel) } else { tell(.following, run) }
      return true
    case .line(let line):
      if let refusal = state.withLock({ $0.refusal }) {
        refused(APIAnswer(status: refusal, body: line), run)
        return false
      }
      return take(line, run)
    case .ended(let wasClean):
      ended(wasClean, run)
      return false
    }
  }

  private func take(_ line: [UInt8], _ run: Int) -> Bool {
    guard let collection = state.withLock({ $0.run == run ? $0.collection : nil }) else { return false }
    guard let event = MetadataEvent(line) else { return malformed(collection, run) }
    let object = event.object
    switch event.type {
    case "ERROR":
      lost(Self.obstacle(of: event, at: place(collection)), run)
      return false
    case "BOOKMARK":
      guard !object.resourceVersion.isEmpty else { return malformed(collection, run) }
      return takeBookmark(object, run)
    case "ADDED", "MODIFIED", "DELETED":
      guard object.isComplete else { return malformed(collection, run) }
      take(collection.object(object), isGone: event.type == "DELETED", version: object.resourceVersion, run)
      return true
    default: return malformed(collection, run)
    }
  }

  private func malformed(_ collection: Collection, _ run: Int) -> Bool {
    lost(Obstacle(.malformed, at: place(collection), "the stream holds something that is no event"), run)
    return false
  }

  /// A version that is gone (410) is no fault of anybody's; the list that follows makes up for it.
  private static func obstacle(of event: MetadataEvent, at place: String) -> Obstacle {
    let kind: Obstacle.Kind = event.code == 410 ? .conflict : .inputOutput
    return Obstacle(kind, at: place, "\(event.code ?? 0) \(event.message.prefix(200))")
  }

  /// - Parameter object: `nil` for one that does not count here; its version does.
  private func take(_ object: ClusterObject?, isGone: Bool, version: String, _ run: Int) {
    let isInitial = state.withLock { state in
      state.lastEventAt = .now()
      guard state.staged != nil else {
        state.version = version
        return false
      }
      // Not the version: before the end mark the objects come in the order of their names.
      if let object { state.staged?[object.name] = isGone ? nil : object }
      return true
    }
    if isInitial { return }
    guard let object else { return tell(.passed(version: version), run) }
    tell(.changed(isGone ? .removed(object.name) : .put(object), version: version), run)
  }

  private func takeBookmark(_ bookmark: Metadata, _ run: Int) -> Bool {
    let staged = state.withLock { state -> [NodeName: ClusterObject]? in
      guard let staged = state.staged else {
        state.version = bookmark.resourceVersion
        return nil
      }
      guard bookmark.endsInitialEvents else { return staged }
      state.version = bookmark.resourceVersion
      state.staged = nil
      state.renewals = 0
      return staged
    }
    guard let staged else {
      tell(.passed(version: bookmark.resourceVersion), run)
      return true
    }
    guard bookmark.endsInitialEvents else {
      fallBack(run)
      return false
    }
    tell(.listed(Array(staged.values), version: bookmark.resourceVersion), run)
    tell(.following, run)
    return true
  }

  // MARK: Old servers

  /// A server that knows nothing of streaming lists may pass over what it does not know, and begin a plain watch: nobody
  /// could say then when everything had been told. Without the mark it never counts as a list (law L3).
  private func awaitEndMark(_ run: Int, _ stream: Int, _ channel: any Channel) {
    let patience = TimeAmount(transport.patience.initialEvents)
    let (quietUntil, lastMoment) = state.withLock { ($0.lastEventAt + patience, $0.openedAt + patience * 6) }
    channel.eventLoop.scheduleTask(deadline: min(quietUntil, lastMoment)) { [weak self] in
      guard let self, isCurrent(run, stream) else { return }
      let (isWaiting, last) = state.withLock { ($0.staged != nil, $0.lastEventAt) }
      guard isWaiting else { return }
      let now = NIODeadline.now()
      guard now >= last + patience || now >= lastMoment else { return awaitEndMark(run, stream, channel) }
      fallBack(run)
      channel.close(promise: nil)
    }
  }

  private func fallBack(_ run: Int) {
    let isCurrent = state.withLock { state -> Bool in
      guard state.run == run else { return false }
      state.stream += 1
      state.staged = nil
      state.pagesOnly = true
      return true
    }
    if isCurrent { list(run) }
  }

  /// Instead of a stream there was an answer. Who refuses a streaming list, but neither us nor for the moment, has none.
  private func refused(_ answer: APIAnswer, _ run: Int) {
    let (isInitial, collection) = state.withLock { ($0.staged != nil, $0.collection) }
    guard let collection else { return }
    let isOurs = [401, 403, 429].contains(answer.status)
    if isInitial, (400..<500).contains(answer.status), !isOurs { return fallBack(run) }
    lost(APIRefusal(answer).obstacle(at: place(collection)), run)
  }

  // MARK: Ends

  private func ended(_ wasClean: Bool, _ run: Int) {
    let asked = TimeAmount.seconds(askedSeconds)
    let (refusal, isInitial, isInTime, collection) = state.withLock { state in
      // The server's clock and ours need not agree to the second.
      (state.refusal, state.staged != nil, NIODeadline.now() - state.openedAt + .seconds(1) >= asked, state.collection)
    }
    guard let collection else { return }
    if let refusal { return refused(APIAnswer(status: refusal, body: []), run) }
    guard wasClean, !isInitial else {
      return lost(Obstacle(.unreachable, at: place(collection), "the watch broke off"), run)
    }
    let failures = state.withLock { state in
      state.renewals += 1
      // Before its time: the server goes down, and what comes back may be another.
      if !isInTime || state.renewals >= Self.renewalLimit { state.version = nil }
      state.failures = isInTime ? 0 : state.failures + 1
      return max(state.failures, 1)
    }
    retry(run, failures: failures)
  }

  private func lost(_ obstacle: Obstacle, _ run: Int) {
    let failures = state.withLock { state -> Int? in
      guard state.run == run else { return nil }
      // One that lived for long was no failure.
      if state.version != nil, NIODeadline.now() - state.openedAt > TimeAmount(transport.patience.longestBackoff) {
        state.failures = 0
      }
      state.failures += 1
      state.stream += 1
      state.version = nil
      state.staged = nil
      state.pagesOnly = false
      return state.failures
    }
    guard let failures else { return }
    tell(.lost(obstacle), run)
    retry(run, failures: failures)
  }

  private func retry(_ run: Int, failures: Int) {
    let pause = transport.patience.pause(afterFailures: failures, entropy)
    transport.group.next().scheduleTask(in: TimeAmount(pause)) {
      if self.state.withLock({ $0.run == run }) { self.begin(run) }
    }
  }
}

extension APIPatience {
  /// Doubles up to the limit, half of it by chance, so that a thousand machines do not come back at once.
  func pause(afterFailures failures: Int, _ entropy: any Entropy) -> Duration {
    let full = min(firstBackoff * (1 << min(max(failures, 1) - 1, 10)), longestBackoff)
    let chance = entropy.bytes(2).reduce(0) { $0 << 8 | Int($1) }
    return full / 2 + full / 2 * chance / 65_536
  }
}
