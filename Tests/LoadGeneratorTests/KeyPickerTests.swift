// The zipfian and uniform draws against theory, and sizes and operations against their weights.

import Testing

@testable import LoadGenerator

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite struct KeyPickerTests {
    private func counts(_ distribution: KeyDistribution, keys: Int, draws: Int, seed: UInt64 = 7) -> [Int] {
        let picker = KeyPicker(distribution, count: UInt64(keys))
        var random = LoadRandom(seed: seed)
        var counts = [Int](repeating: 0, count: keys)
        for _ in 0..<draws { counts[Int(picker.next(&random))] += 1 }
        return counts
    }

    /// Pearson's statistic, as its distance from what is expected in standard deviations: (χ² - k) / √2k. Neighbours
    /// are taken together until five draws are expected of them.
    private func deviation(_ counts: [Int], _ weight: (Int) -> Double) -> Double {
        let draws = Double(counts.reduce(0, +))
        let total = counts.indices.reduce(0.0) { $0 + weight($1) }
        var (statistic, cells, seen, expected) = (0.0, 0.0, 0.0, 0.0)
        for index in counts.indices {
            seen += Double(counts[index])
            expected += weight(index) / total * draws
            guard expected >= 5 else { continue }
            statistic += (seen - expected) * (seen - expected) / expected
            (seen, expected, cells) = (0, 0, cells + 1)
        }
        return (statistic - (cells - 1)) / (2 * (cells - 1)).squareRoot()
    }

    @Test(arguments: [0.5, 0.99, 1.0, 1.2, 2.0], [10, 1000, 100_000])
    func `zipfian draws follow 1 over rank to the theta`(_ theta: Double, _ keys: Int) {
        let counts = counts(.zipfian(theta: theta), keys: keys, draws: 300_000)
        // Seeded: the numbers are the same each time. Five deviations are one chance in a million for another seed.
        #expect(abs(deviation(counts) { pow(Double($0 + 1), -theta) }) < 5)
    }

    @Test func `uniform draws are uniform`() {
        #expect(abs(deviation(counts(.uniform, keys: 1000, draws: 300_000)) { _ in 1 }) < 5)
    }

    @Test func `the test can tell a wrong exponent`() {
        let counts = counts(.zipfian(theta: 0.99), keys: 1000, draws: 300_000)
        #expect(abs(deviation(counts) { pow(Double($0 + 1), -1.05) }) > 20)
        #expect(abs(deviation(counts) { _ in 1 }) > 20)
    }

    @Test func `the hottest of ten thousand keys is asked for in its share`() {
        let harmonic = (1...10_000).reduce(0.0) { $0 + pow(Double($1), -0.99) }
        let counts = counts(.zipfian(theta: 0.99), keys: 10_000, draws: 500_000)
        #expect(abs(Double(counts[0]) / 500_000 * harmonic - 1) < 0.02)
    }

    @Test func `one seed draws one sequence, another another`() {
        let picker = KeyPicker(.zipfian(theta: 0.99), count: 1_000_000_000)
        func draw(_ seed: UInt64) -> [UInt64] {
            var random = LoadRandom(seed: seed)
            return (0..<1000).map { _ in picker.next(&random) }
        }
        #expect(draw(1) == draw(1))
        #expect(draw(1) != draw(2))
        #expect(draw(1).allSatisfy { $0 < 1_000_000_000 })
    }

    @Test func `a single key is always drawn`() {
        for distribution in [KeyDistribution.uniform, .zipfian(theta: 1)] {
            #expect(counts(distribution, keys: 1, draws: 100) == [100])
        }
    }

    @Test func `operations and sizes come by their weights`() throws {
        let workload = try #require(Workload("get:60,miss:20,set:7,store:3,state-get:6,state-set:4"))
        var random = LoadRandom(seed: 3)
        var drawn = LoadGenerator.Operation.allCases.map { _ in 0 }
        for _ in 0..<100_000 { drawn[workload.pick(&random).rawValue] += 1 }
        for (count, share) in zip(drawn, [0.6, 0.2, 0.07, 0.03, 0.06, 0.04]) {
            #expect(abs(Double(count) / 100_000 - share) < 0.01)
        }

        let sizes = try #require(
            ValueSizes([.init(size: 64, weight: 50), .init(size: 1024, weight: 40), .init(size: 16384, weight: 10)]))
        let keys = KeySpace(hotPrefix: "k:", coldPrefix: "c:", statePrefix: "s:", sizes: sizes)
        var bySize: [Int: Int] = [:]
        for number in 0..<20_000 { bySize[keys.valueCount(.hot(UInt64(number))), default: 0] += 1 }
        for (size, share) in [(64, 0.5), (1024, 0.4), (16384, 0.1)] {
            #expect(abs(Double(bySize[size] ?? 0) / 20_000 - share) < 0.015)
        }
        let large = KeySpace(
            hotPrefix: "k:", coldPrefix: "c:", statePrefix: "s:", sizes: ValueSizes(64), coldSizes: ValueSizes(65_536))
        #expect(large.value(.hot(1)).count == 64 && large.value(.cold(1)).count == 65_536)
        #expect(large.value(.record(1)).count == 64)
    }
}
