// THROTTLE: whether a request passes its rate limit.
//
// Source: the form and the reply are those of redis-cell's CL.THROTTLE, https://github.com/brandur/redis-cell.

internal import Primitives
internal import RESP
internal import State
internal import Tiers

enum ThrottleCommand {
    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "throttle", arity: -5, [.write, .fast], keys: (1, 1, 1),
            .ordered { (c, a) throws(CommandError) in try throttle(c, a) })
    ]

    /// THROTTLE key max-burst count period [quantity]
    private static func throttle(_ c: Connection, _ a: Arguments) throws(CommandError) -> Bool {
        guard a.count <= 6 else { throw .arity("throttle") }
        let burst = try Parse.integer(a[2])
        let count = try Parse.integer(a[3])
        let period = try Parse.integer(a[4])
        let quantity = a.count == 6 ? try Parse.integer(a[5]) : 1
        guard burst >= 0 else { throw CommandError("ERR max-burst must not be negative in 'throttle' command") }
        guard count > 0 else { throw CommandError("ERR count must be positive in 'throttle' command") }
        guard period > 0 else { throw CommandError("ERR period must be positive in 'throttle' command") }
        guard quantity >= 0 else { throw CommandError("ERR quantity must not be negative in 'throttle' command") }
        guard let throttle = Throttle(burst: burst, count: count, period: period, quantity: quantity) else {
            throw CommandError(
                "ERR the limit is too large in 'throttle' command: count may be \(Throttle.countMax), and max-burst + 1 "
                    + "or quantity times period \(Throttle.productMax / 1_000_000) seconds at most")
        }
        let key = a.bytes(1)
        let hash = KeyHash(key)
        guard c.mayStart([hash], isWrite: true) else { return false }
        c.worker.counters.commands.add()
        let slot = c.reserve(keys: [hash], isWrite: true, operation: .modify)
        slot.nameKeys([key])
        c.worker.tiers.traced(c.worker.process.slowLog.isOn ? slot : nil) {
            c.worker.tiers.throttle(throttle, key) { reply in c.complete(slot) { $0.reply(reply, slot.version) } }
        }
        return true
    }
}
