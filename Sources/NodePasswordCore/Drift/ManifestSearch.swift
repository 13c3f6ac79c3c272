/// Finds drift in what a look at the manifests saw.
enum ManifestSearch {
  static func find(in seen: ManifestObservation, _ circumstances: Circumstances) -> [Finding] { [] }
}
