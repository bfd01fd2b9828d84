// A run as it is decided before it begins: the world's shape and every step, all of it from the seed.
//
// DESIGN: a step holds all chances that were taken for it, so that a run can be had again with some of its steps left
// out: that is how a failure is made small. What the network does (delays, where bytes are split) follows from the seed
// too, but is drawn as the run goes.

internal import TestSupport

/// What a client asks.
enum Request: Sendable {
    case increment, append, set, delete, pair, readOwn, readAny
    case setShared, setStrong, readStrong
    case addTurn, setRecord, readRecord
    case sweep
}

/// What happens in one step.
enum Action: Sendable {
    case request(Request)
    case fault(Fault)
}

/// One step of a run: it comes so long after the one before.
struct Step: Sendable {
    let pauseNanoseconds: Int64
    let action: Action
    /// Chances, to be reduced to what is wanted.
    let sidecar: Int
    let worker: Int
    let key: Int
    let amount: Int
}

/// How a world is made.
struct Shape: Sendable {
    /// No Redis: the warm tier decides.
    var isEmbedded = false
    var sidecars = 1
    var workers = 2
    var warmBytes = 96 << 10
    var warmSyncsAlways = false
    var journalBytes = 4 << 20
    var localBytes = 1 << 20
    var pipelineMax = 16_384
    var queueMax = 65_536
    var valueBytes = 60
    var registers = 6
    /// Entries that the stream of deletions keeps: few, so that a sidecar that was away finds it trimmed, or many.
    var deletionsMax = 40
}

/// A run: how its world is made, and what happens in it.
public struct Plan: Sendable {
    public let seed: UInt64
    let shape: Shape
    let steps: [Step]

    /// The steps that a run of this seed takes.
    public var stepCount: Int { steps.count }

    public init(seed: UInt64, requests: Int = 1000) {
        self.seed = seed
        var random = SeededGenerator(seed: seed)
        shape = Self.shape(&random)
        let pace = [1, 1, 3].randomElement(using: &random) ?? 1
        // Some runs have much that goes wrong, and some little: what needs quiet to come about has it.
        let faultsPerThousand = [8, 30, 90].randomElement(using: &random) ?? 30
        var steps: [Step] = []
        var asked = 0
        var isIll = false
        // One at least, whatever the chances say.
        let certain = Int.random(in: 0..<requests, using: &random)
        while asked < requests {
            let action: Action
            if Int.random(in: 0..<1000, using: &random) < faultsPerThousand || asked == certain && !isIll {
                let fault = Self.fault(shape, isIll: isIll, &random)
                isIll = fault != .heal
                action = .fault(fault)
                if asked == certain { asked += 1 }
            } else {
                asked += 1
                action = .request(Self.request(shape, &random))
            }
            steps.append(
                Step(
                    pauseNanoseconds: Self.pause(pace, &random), action: action,
                    sidecar: Int.random(in: 0..<shape.sidecars, using: &random),
                    worker: Int.random(in: 0..<shape.workers, using: &random),
                    key: Int.random(in: 0..<1000, using: &random), amount: Int.random(in: 0..<10_000, using: &random)))
        }
        self.steps = steps
    }

    /// Some of its steps, one a line.
    public func text(of kept: [Int]) -> String {
        var lines = ["\(shape)"]
        for index in kept where steps.indices.contains(index) {
            let step = steps[index]
            var name = ""
            switch step.action {
            case .request(let request): name = "\(request)"
            case .fault(let fault): name = "*** \(fault.rawValue)"
            }
            lines.append(
                "\(index): \(name), sidecar \(step.sidecar), worker \(step.worker), key \(step.key), amount \(step.amount)"
            )
        }
        return lines.joined(separator: "\n")
    }

    private static func shape(_ random: inout SeededGenerator) -> Shape {
        var shape = Shape()
        shape.isEmbedded = random.oneIn(4)
        shape.workers = random.oneIn(3) ? 1 : 2
        shape.valueBytes = [60, 600, 3000].randomElement(using: &random) ?? 60
        shape.warmBytes = [64 << 10, 96 << 10, 1 << 20].randomElement(using: &random) ?? 96 << 10
        shape.warmSyncsAlways = shape.isEmbedded || random.oneIn(3)
        shape.registers = [4, 12, 40].randomElement(using: &random) ?? 12
        guard !shape.isEmbedded else { return shape }
        shape.sidecars = [1, 1, 2, 3].randomElement(using: &random) ?? 1
        if random.oneIn(4) { shape.pipelineMax = 6 }
        if random.oneIn(6) { shape.queueMax = 3 }
        if random.oneIn(4) { shape.journalBytes = 64 << 10 }
        if random.oneIn(2) { shape.deletionsMax = 10_000 }
        return shape
    }

    private static func pause(_ pace: Int, _ random: inout SeededGenerator) -> Int64 {
        if random.oneIn(3) { return 0 }
        return Int64.random(in: 0...(random.oneIn(10 * pace) ? 3_000_000_000 : 3_000_000), using: &random)
    }

    private static func fault(_ shape: Shape, isIll: Bool, _ random: inout SeededGenerator) -> Fault {
        if isIll, random.oneIn(2) { return .heal }
        let lists =
            shape.isEmbedded ? [Fault.ofDisk, Fault.ofProcess] : [Fault.ofRedis, Fault.ofDisk, Fault.ofProcess]
        let fault = (lists.randomElement(using: &random) ?? []).randomElement(using: &random) ?? .heal
        return shape.isEmbedded && fault == .forceOpen ? .kill : fault
    }

    private static func request(_ shape: Shape, _ random: inout SeededGenerator) -> Request {
        let place = Int.random(in: 0..<100, using: &random)
        if shape.isEmbedded {
            switch place {
            case 0..<12: return .increment
            case 12..<24: return .append
            case 24..<64: return .set
            case 64..<76: return .delete
            case 76..<79: return .pair
            case 79..<80: return .sweep
            default: return .readOwn
            }
        }
        switch place {
        case 0..<15: return .increment
        case 15..<28: return .append
        case 28..<46: return .set
        case 46..<52: return .delete
        case 52..<55: return .pair
        case 55..<64: return .readOwn
        case 64..<74: return .readAny
        case 74..<79: return .setShared
        case 79..<83: return .setStrong
        case 83..<88: return .readStrong
        case 88..<92: return .addTurn
        case 92..<96: return .setRecord
        case 96..<99: return .readRecord
        default: return .sweep
        }
    }
}
