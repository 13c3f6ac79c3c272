/// Finds drift in what a look at the legacy file saw.
enum LegacySearch {
  static func find(in seen: LegacyObservation, _ circumstances: Circumstances) -> [Finding] { [] }
}
