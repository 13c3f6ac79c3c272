import NodePasswordSimulator
import Testing

/// The laws that simulated lives are held against can be broken, each by the misdeed it forbids.
@Suite struct SimulationLawTests {
  @Test(arguments: Misdeed.allCases) func aMisdeedIsNoticed(_ misdeed: Misdeed) {
    let found = misdeed.judged()
    #expect(found.contains { $0.contains(misdeed.law) }, "\(misdeed.law): \(found)")
  }

  @Test(arguments: Misdeed.allCases) func withoutItTheLifeIsBlameless(_ misdeed: Misdeed) {
    #expect(misdeed.omitted() == [])
  }
}
