// Traces that are made: the same from the same seed.

import Testing
import TraceStudy

@Suite struct SyntheticTests {
    @Test(arguments: SyntheticTrace.allCases)
    func `a trace follows from its seed`(_ kind: SyntheticTrace) {
        let trace = kind.trace(seed: 7, requests: 3000)
        #expect(trace.requests.count == 3000)
        #expect(trace.requests == kind.trace(seed: 7, requests: 3000).requests)
        #expect(trace.requests != kind.trace(seed: 8, requests: 3000).requests)
    }
}
