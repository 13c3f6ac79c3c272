import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator

/// From requests to what they mean.
extension TrialState {
  private static let secretsPath = "/api/v1/namespaces/\(Distribution.secretNamespace)/secrets"
  private static let ledgersPath = "/api/v1/namespaces/\(Distribution.secretNamespace)/configmaps"

  mutating func take(_ exchange: StandInExchange) {
    let request = exchange.request
    if request.path.hasSuffix("-kubelet.crt") { return noteJoin(exchange) }
    guard let server = request.credentials.certificate?.name else { return }
    if request.path.hasPrefix(Self.secretsPath) {
      takeSecret(exchange, server)
    } else if request.path.hasPrefix(Self.ledgersPath) {
      takeLedger(exchange, server)
    } else if request.path.hasSuffix("/events") {
      publicTexts.append(String(decoding: request.body, as: UTF8.self))
    } else if request.method == "DELETE" {
      complain(.intents, "\(server) deletes \(request.path)", about: nil, at: exchange.time)
    }
  }

  // MARK: Secrets

  private mutating func takeSecret(_ exchange: StandInExchange, _ server: String) {
    let request = exchange.request
    let body = try? JSONValue(parsing: request.body)
    for object in [exchange.response.json, body].compactMap({ $0 }) { keepHash(of: object) }
    let isDry = request[query: "dryRun"] != nil || !(body?["dryRun"]?.elements ?? []).isEmpty
    guard request.method != "GET", !isDry else { return }
    switch (request.method, exchange.response.status) {
    case ("DELETE", 200): takeDelete(exchange, body, server)
    case ("DELETE", let status):
      counts.failedDeletes += 1
      note("\(server) may not delete \(request.path): \(status) \(exchange.response.message)", at: exchange.time)
    case ("POST", 201):
      notePutBack(Self.node(body?.at("metadata", "name")?.text ?? ""), by: server, at: exchange.time)
    default:
      note("\(server): \(request.method) \(request.path): \(exchange.response.status)", at: exchange.time)
    }
  }

  private mutating func takeDelete(_ exchange: StandInExchange, _ body: JSONValue?, _ server: String) {
    let name = Self.node(exchange.request.path.split(separator: "/").last.map(String.init) ?? "")
    let wanted = body?["preconditions"]
    guard let uid = wanted?["uid"]?.text, wanted?["resourceVersion"]?.text != nil else {
      return complain(
        .intents, "\(server) deleted \(exchange.request.path) without uid and resourceVersion", about: name,
        at: exchange.time)
    }
    noteDeletion(Deletion(name: name, uid: uid, server: server, at: exchange.time))
  }

  private static func node(_ secret: String) -> String {
    let suffix = ".node-password.k3s"
    return secret.hasSuffix(suffix) ? String(secret.dropLast(suffix.count)) : secret
  }

  /// A hash in all the forms it could be written in: encoded, whole, its salt, its digest.
  private mutating func keepHash(of object: JSONValue) {
    guard let encoded = object.at("data", "hash")?.text else { return }
    secrets.insert(encoded)
    guard let bytes = try? NodePasswordSimulator.Base64.decode(encoded) else { return }
    let text = String(decoding: bytes, as: UTF8.self)
    secrets.insert(text)
    for part in text.split(separator: ":") where part.utf8.count >= 12 { secrets.insert(String(part)) }
  }

  // MARK: The ledger

  private mutating func takeLedger(_ exchange: StandInExchange, _ server: String) {
    let request = exchange.request
    guard ["POST", "PUT", "PATCH", "DELETE"].contains(request.method) else { return }
    if exchange.response.status == 409 {
      counts.ledgerConflicts += 1
      return note("\(server) finds the ledger changed", at: exchange.time)
    }
    guard (200...201).contains(exchange.response.status), let body = try? JSONValue(parsing: request.body) else {
      return note("\(server): \(request.method) of the ledger: \(exchange.response.status)", at: exchange.time)
    }
    if request.method != "POST", body.at("metadata", "resourceVersion")?.text ?? "" == "" {
      complain(.intents, "\(server) wrote the ledger without a resourceVersion", about: nil, at: exchange.time)
    }
    let text = body.at("data", "ledger")?.text ?? ""
    publicTexts.append(text)
    do throws(CheckedLines.Damage) {
      noteLedger(try LedgerDocument.decode(text), by: server, at: exchange.time)
    } catch {
      complain(.intents, "\(server) wrote a ledger that makes no sense: \(error.words)", about: nil, at: exchange.time)
    }
  }
}
