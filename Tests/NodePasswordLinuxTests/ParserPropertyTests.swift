import ParserProperties
import Testing

/// Of the parsers of what Linux, systemd and Kubernetes write; `make fuzz` takes the same much further.
@Suite struct ParserPropertyTests {
  @Test(arguments: ParserProperty.linux) func holds(_ property: ParserProperty) {
    let breach = property.firstBreach(mutants: 2_000, seed: 1)
    #expect(breach == nil, "\(breach.map { "\($0.words)\nof \($0.input)" } ?? "")")
  }
}
