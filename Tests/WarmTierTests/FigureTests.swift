// The figures to reach, run small; HEARTH_WARM_ENTRIES=1000000 in a release build makes the claim.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct `Figures` {
    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let duration = try clock.measure(body)
        return Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    @Test func `filling, opening and reading a store stay within the index budget`() throws {
        let count = getenv("HEARTH_WARM_ENTRIES").flatMap { Int(String(cString: $0)) } ?? 5000
        try withTemporaryDirectory { directory in
            let configuration = WarmTierConfiguration(
                directory: directory, maxBytes: max(16 << 20, count * 1400), sync: .interval(milliseconds: 1000))
            var value = [UInt8](repeating: 1, count: 1024)
            do {
                let writer = try WarmTier.open(configuration, now: .at(0))
                let fill = try Self.seconds {
                    for first in stride(from: 0, to: count, by: 64) {
                        value[0] = UInt8(truncatingIfNeeded: first)
                        try writer.batch(now: .at(Int64(first))) { writer throws(WarmError) in
                            for number in first..<min(first + 64, count) { try writer.put("session:\(number)", value) }
                        }
                    }
                    try writer.synchronize(now: .at(Int64(count)))
                }
                print("filled \(count) in \(fill) s, \(Int(Double(count) / fill)) puts/s in batches of 64")
                let figures = writer.tier.statistics
                #expect(figures.entries == count)
                if count >= 5000 { #expect(figures.indexBytes <= 32 * count + 192 << 10) }
                print("index: \(Double(figures.indexBytes) / Double(count)) bytes an entry")
            }
            var writer: WarmWriter?
            let open = try Self.seconds { writer = try WarmTier.open(configuration, now: .at(0)) }
            print("opened \(count) entries in \(open) s")
            let tier = try #require(writer?.tier)
            #expect(tier.statistics.entries == count)
            let keys = (0..<min(count, 100_000)).map { Array("session:\(($0 &* 7919) % count)".utf8) }
            var found = 0
            let read = Self.seconds {
                for _ in 0..<3 {
                    for key in keys { if case .entry = tier.read(key, now: .at(1)) { found += 1 } }
                }
            }
            #expect(found == 3 * keys.count)
            print("read \(found) in \(read) s, \(Int(Double(found) / read)) reads/s")
        }
    }

    @Test func `durable commits shared by many writers`() throws {
        try withTemporaryDirectory { directory in
            let writer = try WarmTier.open(
                WarmTierConfiguration(directory: directory, maxBytes: 64 << 20, sync: .always, whenFull: .refuse),
                now: .at(0))
            let rounds = 200
            let value = [UInt8](repeating: 1, count: 256)
            let time = try Self.seconds {
                for round in 0..<rounds {
                    try writer.batch { writer throws(WarmError) in
                        for number in 0..<64 { try writer.put("k\(number)-\(round % 10)", value) }
                    }
                }
            }
            print("\(rounds) commits of 64 with fdatasync in \(time) s, \(Int(Double(rounds) / time)) commits/s")
            #expect(writer.tier.keyCount == 640)
        }
    }
}
