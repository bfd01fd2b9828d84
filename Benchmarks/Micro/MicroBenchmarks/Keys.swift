// Keys, hashes and values of the benchmarks, the same in every run.

internal import LoadGenerator
internal import Primitives

/// The moment at which everything happens.
let moment = Timestamp(milliseconds: 1_767_225_600_000)

/// Keys as redis-benchmark writes them, with hashes of a seed of our own: the process's is another in each run.
struct Keys {
    let bytes: [[UInt8]]
    let hashes: [KeyHash]

    init(_ count: Int) {
        bytes = (0..<count).map { Array("key:\(100_000_000_000 + $0)".utf8) }
        hashes = bytes.map { key in KeyHash(rawValue: key.withUnsafeBytes { xxh3($0, seed: 1) }) }
    }

    var count: Int { bytes.count }

    /// So many places of keys, as they are asked for: few of them often (Zipf, θ = 0.99).
    static func skewed(_ picks: Int, of count: Int) -> [Int] {
        var random = LoadRandom(seed: 1)
        let picker = KeyPicker(.zipfian(theta: 0.99), count: UInt64(count))
        return (0..<picks).map { _ in Int(picker.next(&random)) }
    }
}

func value(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) } }
