import NodePasswordCore

/// Takes manifests into the baseline: looks once more, keeps copies, then replaces the list.
package struct ManifestAcceptor: Sendable {
  private let manifests: any Manifests
  private let baseline: any ManifestBaseline
  private let installation: Installation
  private let now: WallTime

  package init(
    manifests: any Manifests, baseline: any ManifestBaseline, installation: Installation, now: WallTime
  ) {
    self.manifests = manifests
    self.baseline = baseline
    self.installation = installation
    self.now = now
  }

  init(ports: Ports, installation: Installation) {
    self.init(
      manifests: ports.manifests, baseline: ports.manifestBaseline, installation: installation,
      now: ports.scheduler.now().wall)
  }

  package typealias Done = @Sendable (Outcome) -> Void

  package func accept(_ acceptance: ManifestAcceptance, _ completion: @escaping Done) {
    look(completion) { accept(acceptance, $0, completion) }
  }

  private func look(_ failed: @escaping Done, then go: @escaping @Sendable (ManifestTree) -> Void) {
    manifests.look(installation) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): failed(.failed(obstacle))
      case .absent: go(ManifestTree())
      case .present(let tree): go(tree)
      }
    }
  }

  private func accept(_ acceptance: ManifestAcceptance, _ tree: ManifestTree, _ completion: @escaping Done) {
    baseline.load { answer in
      let accepted: AcceptedManifests
      switch (answer.observed(), acceptance.scope) {
      case (.unknown(let obstacle), _): return completion(.failed(obstacle))
      case (.present, .everything): return completion(.surprised("there is a baseline by now"))
      case (.absent, .changes): return completion(.surprised("the baseline is gone"))
      case (.absent, .everything): accepted = AcceptedManifests()
      case (.present(let list), .changes):
        if let obstacle = list.objection(in: installation) { return completion(.failed(obstacle)) }
        accepted = list
      }
      switch acceptance.scope {
      case .everything(let fingerprint, _):
        guard tree.fingerprint == fingerprint else { return completion(.surprised("the manifests are others by now")) }
        take(tree.files.map { ($0, .firstLook) }, [], acceptance.version, accepted, completion)
      case .changes(let items): take(items, tree, acceptance.version, accepted, completion)
      }
    }
  }

  /// Each item must be what it was when that was decided.
  private func take(
    _ items: [ManifestAcceptance.Item], _ tree: ManifestTree, _ version: String?, _ accepted: AcceptedManifests,
    _ completion: @escaping Done
  ) {
    var files: [(ManifestFile, AcceptedManifests.Origin)] = []
    var gone: Set<String> = []
    for item in items {
      let file = tree.file(item.path)
      guard file?.identity == item.file else { return completion(.surprised("\(item.path) is another by now")) }
      if let file { files.append((file, item.origin)) } else { gone.insert(item.path) }
    }
    take(files, gone, version, accepted, completion)
  }

  private func take(
    _ files: [(ManifestFile, AcceptedManifests.Origin)], _ gone: Set<String>, _ version: String?,
    _ accepted: AcceptedManifests, _ completion: @escaping Done
  ) {
    let replaced = Set(files.map(\.0.path))
    let rest = accepted.entries.filter { !replaced.contains($0.path) && !gone.contains($0.path) && $0.hasCopy }
    let (entries, kept) = entries(of: files, room: rest.reduce(AcceptedManifests.copyTotalLimit) { $0 - $1.size })
    var list = accepted.replacing(with: entries, without: gone)
    list.version = version ?? list.version
    list.place = AcceptedManifests.place(of: installation)
    save(list, settingAside: false, keeping: kept[...], completion)
  }

  /// - Parameter room: bytes that copies may still take.
  private func entries(
    of files: [(ManifestFile, AcceptedManifests.Origin)], room: Int64
  ) -> (entries: [AcceptedManifests.Entry], kept: [ManifestFile]) {
    var room = room
    var entries: [AcceptedManifests.Entry] = []
    var kept: [ManifestFile] = []
    for (file, origin) in files {
      let size = file.identity.size
      let hasCopy = file.digest != nil && size <= AcceptedManifests.copyLimit && size <= room
      if hasCopy {
        room -= size
        kept.append(file)
      }
      entries.append(
        AcceptedManifests.Entry(
          path: file.path, digest: file.digest, size: size, mode: file.mode, acceptedAt: now, origin: origin,
          hasCopy: hasCopy))
    }
    return (entries, kept)
  }

  /// Copies first: a crash leaves some that nobody names, and the list as it was (law L8).
  private func save(
    _ list: AcceptedManifests, settingAside: Bool, keeping files: ArraySlice<ManifestFile>,
    _ completion: @escaping Done
  ) {
    guard let file = files.first, let digest = file.digest else {
      return baseline.save(list, settingAside: settingAside) { completion(Outcome($0)) }
    }
    manifests.read(file.path, being: file.identity, installation) { answer in
      switch answer {
      case .failure: completion(Outcome(answer))
      case .success(let bytes):
        baseline.keep(bytes, as: digest) { answer in
          guard case .success = answer else { return completion(Outcome(answer)) }
          save(list, settingAside: settingAside, keeping: files.dropFirst(), completion)
        }
      }
    }
  }
}

extension ManifestAcceptor {
  /// For a person whose baseline is damaged: all that is there, in its place.
  package func acceptAnew(_ completion: @escaping Done) { look(completion) { takeAnew($0, completion) } }

  private func takeAnew(_ tree: ManifestTree, _ completion: @escaping Done) {
    let (entries, kept) = entries(of: tree.files.map { ($0, .person) }, room: AcceptedManifests.copyTotalLimit)
    let list = AcceptedManifests(entries, place: AcceptedManifests.place(of: installation))
    save(list, settingAside: true, keeping: kept[...], completion)
  }
}
