import ParserProperties
import Testing

/// Of the parsers that know no system; `make fuzz` takes the same much further.
@Suite struct ParserPropertyTests {
  @Test(arguments: ParserProperty.daemon) func holds(_ property: ParserProperty) {
    let breach = property.firstBreach(mutants: 2_000, seed: 1)
    #expect(breach == nil, "\(breach.map { "\($0.words)\nof \($0.input)" } ?? "")")
  }
}
