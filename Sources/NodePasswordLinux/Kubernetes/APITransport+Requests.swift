import FoundationEssentials
import NodePasswordCore
import NodePasswordDaemon

/// Requests of a kind that more than one resource needs.
extension APITransport {
  /// Sends `body` as JSON along with `call`.
  func send(_ call: APICall, _ body: some Encodable, _ completion: @escaping Completion<APIAnswer>) {
    guard let json = try? JSONEncoder().encode(body) else {
      return completion(.failure(Obstacle(.malformed, at: call.place, "the request cannot be encoded")))
    }
    var call = call
    call.body = SecretBytes(copying: json)
    send(call, completion)
  }

  /// Reads a list in pages, and answers what they added up to, or the first thing that went wrong: a part is not the whole
  /// (law L3). Where the pages behind are of a version that is gone (410) it begins anew, once.
  ///
  /// - Parameter list: how one page is asked for and read.
  func read<Found: Sendable>(_ list: APIList<Found>, _ completion: @escaping Completion<Found>) {
    page(list, after: nil, list.empty, pages: 0, hasRestarted: false, completion)
  }

  private func page<Found: Sendable>(
    _ list: APIList<Found>, after token: String?, _ found: Found, pages: Int, hasRestarted: Bool,
    _ completion: @escaping Completion<Found>
  ) {
    let call = list.call(after: token)
    send(call) { answer in
      guard list.isWanted() else { return }
      switch answer {
      case .failure(let obstacle): completion(.failure(obstacle))
      case .success(let page) where page.status == 410 && token != nil && !hasRestarted:
        self.page(list, after: nil, list.empty, pages: 0, hasRestarted: true, completion)
      case .success(let page) where page.status != 200: completion(.failure(APIRefusal(page).obstacle(at: call.place)))
      case .success(let page):
        var found = found
        switch list.take(page, call, &found) {
        case .failure(let obstacle): completion(.failure(obstacle))
        case .success(let next) where next.isEmpty: completion(.success(found))
        case .success where pages + 1 >= pageCountLimit:
          completion(.failure(Obstacle(.tooLarge, at: call.place, "the list has more than \(pageCountLimit) pages")))
        case .success(let next):
          self.page(list, after: next, found, pages: pages + 1, hasRestarted: hasRestarted, completion)
        }
      }
    }
  }
}

/// Pages of one list; a server that never ends one is broken.
private let pageCountLimit = 10_000

extension APICall {
  /// Of a list the metadata alone, where the server can do that.
  static let metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
}

/// A list that is read in pages.
struct APIList<Found: Sendable>: Sendable {
  var path: String
  /// Objects of one page.
  var pageSize: Int
  var accept = "application/json"
  /// Bytes of one page.
  var bodyLimit: Int
  var empty: Found
  /// Nobody waits for the rest any more: then no more is asked for, and nothing answered.
  var isWanted: @Sendable () -> Bool = { true }
  /// Takes in a page, and answers where the next one begins; empty: that was the last.
  var take: @Sendable (APIAnswer, APICall, inout Found) -> Result<String, Obstacle>

  fileprivate func call(after token: String?) -> APICall {
    let next = token.map { "&continue=\(PercentEncoding.query($0))" } ?? ""
    return APICall(target: "\(path)?limit=\(pageSize)\(next)", accept: accept, bodyLimit: bodyLimit)
  }
}
