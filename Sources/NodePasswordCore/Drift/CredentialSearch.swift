/// Finds drift in what a look at the credentials saw.
enum CredentialSearch {
  static func find(in seen: CredentialObservation, _ circumstances: Circumstances) -> [Finding] { [] }
}
