import ArgumentParser

struct Escrow: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show, forget or reseal what this machine keeps of its accepted password.",
    discussion: "None of these ever prints a password.",
    subcommands: [EscrowShow.self, EscrowForget.self, EscrowReseal.self])
}
