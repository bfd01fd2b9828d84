// Random writes of records, for models and round trips.

internal import Primitives
public import State

/// Random writes of records, of a kind that often meets what is there.
public enum RandomRecords {
    public static func text(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    public static func action(_ random: inout SeededGenerator) -> RecordAction {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...2:
            let life: [LifeChange] = [.keep, .end(afterMilliseconds: 5_000_000), .sliding(7_000_000)]
            return .set(
                value: text(&random),
                schema: Bool.random(using: &random) ? Int64.random(in: 1...3, using: &random) : nil,
                life[Int.random(in: 0..<3, using: &random)])
        case 3: return .delete
        case 4...7:
            let turns = (0..<Int.random(in: 1...3, using: &random)).map { _ in text(&random) }
            return .addTurns(turns, keep: Int.random(in: 0..<8, using: &random) == 0 ? 3 : nil)
        case 8...9: return .foldTurns(upTo: Int64.random(in: 1...40, using: &random), summary: text(&random))
        case 10: return .putCheckpoint(step: Int64.random(in: 1...60, using: &random), text(&random), keep: nil)
        default: return .acquireLease(owner: text(&random), milliseconds: 1)
        }
    }

    public static func expectation(_ random: inout SeededGenerator, _ held: Record?) -> RecordWrite.Expectation {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: .version((held?.version ?? 1) + Int64.random(in: -1...0, using: &random))
        case 1: .absent
        default: .any
        }
    }
}
