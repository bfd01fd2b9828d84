// What Redis is asked about the keys of some flights, and which of its replies is whose.
//
// DESIGN. A key's value and what is left of its life must be of one moment: a value with another's life would live too
// long. Where Redis tells of changes (CLIENT TRACKING), values and lives are asked for one behind the other: what
// changes between the two is told of, and not held. Elsewhere they are a transaction.
//
// Plain values are asked for by one MGET: to Redis, commands are dearer than keys. MGET passes over a key of another
// type as if there were none. Its life tells that there is one: it is asked for once more, by itself, with GET.
//
//     commands      CLIENT CACHING YES   MGET a b   CLIENT CACHING YES   HGETALL r   PTTL a   PTTL b   PTTL r
//     transaction   MULTI                MGET a b                        HGETALL r   PTTL a   PTTL b   PTTL r   EXEC
//
// Redis tracks what it is asked to (OPTIN). As commands those are the values: with the lives it would look up each key
// of its table once more. Before MULTI the same words are for all that it holds. docs/performance.md has the figures.
//
// Source: https://redis.io/docs/latest/commands/client-caching/

internal import Primitives
internal import RedisTier

/// A question about the keys of some flights.
struct FetchQuestion {
    /// How it is put.
    enum Form {
        case transaction
        /// As commands behind each other, where changes between them are told of.
        case commands
        /// For a Redis that is out of memory, which refuses to queue even a GET.
        case script
    }

    let form: Form
    /// In the order in which they are asked about: plain values, then records.
    let flights: [Flight]
    private let strings: Int
    /// Whether Redis is asked to remember that the keys were read.
    private let isTracked: Bool

    init(_ flights: [Flight], _ tracker: Tracker?, asScript: Bool) {
        strings = flights.count { $0.form == .string }
        // As a rule all are of one kind.
        let isMixed = strings > 0 && strings < flights.count
        self.flights =
            isMixed ? flights.filter { $0.form == .string } + flights.filter { $0.form != .string } : flights
        isTracked = flights[0].isTracked && tracker?.isTracking ?? false
        let isTold = isTracked && tracker?.tellsOfChanges ?? false
        form = asScript ? .script : isTold ? .commands : .transaction
    }

    /// Its bytes; each flight knows from then on whether Redis remembers its key.
    func request() -> RequestEncoder {
        var request = RequestEncoder()
        request.reserve(flights.reduce(256) { $0 + 2 * ($1.key.count + RequestEncoder.keyBytesMax) })
        for flight in flights { flight.isRemembered = isTracked }
        if isTracked { request.appendCaching() }
        switch form {
        case .script:
            let count = Array(String(flights.count).utf8)
            let readers = flights.map { Array(($0.form == .string ? "GET" : "HGETALL").utf8) }
            request.append([Array("EVAL".utf8), Self.script, count] + flights.map(\.key) + readers)
        case .transaction:
            request.append("MULTI")
            append(to: &request)
            request.append("EXEC")
        case .commands: append(to: &request)
        }
        return request
    }

    private func append(to request: inout RequestEncoder) {
        if strings == 1 { request.append("GET", of: flights[0].key) }
        if strings > 1 {
            request.begin("MGET", keys: strings)
            for flight in flights[..<strings] { request.append(key: flight.key) }
        }
        for (index, flight) in flights.enumerated().dropFirst(strings) {
            // What was said before all of them was for the first command.
            if form == .commands, index > 0 { request.appendCaching() }
            request.append("HGETALL", of: flight.key)
        }
        for flight in flights { request.append("PTTL", of: flight.key) }
    }

    private static let script = Array(
        """
        local r = {}
        for i, key in ipairs(KEYS) do
            r[2 * i - 1] = redis.pcall(ARGV[i], key)
            r[2 * i] = redis.pcall('PTTL', key)
        end
        return r
        """.utf8)

    /// What Redis says of the keys; nil where it has not carried out what was asked. That a key is of another type is
    /// the answer of that key.
    func answers(_ replies: [Reply]) -> Answers? {
        guard refusalOfTracking(replies) == nil else { return nil }
        guard form == .commands else {
            guard case .array(let all)? = replies.last else { return nil }
            return form == .script ? Answers(pairs: all, flights) : Answers(all, flights, strings, step: 1)
        }
        for case .error(let text) in replies where !text.starts(with: "WRONGTYPE".utf8) { return nil }
        return Answers(replies, flights, strings, step: 2)
    }

    /// Value and life of each key, where they lie among the replies.
    struct Answers {
        private let flights: [Flight]
        private let replies: [Reply]
        /// Those of MGET.
        private var many: [Reply] = []
        /// Where the first of the others, and the first life, are, and how far each is from the next.
        private let values: (start: Int, step: Int)
        private let lives: (start: Int, step: Int)

        /// Replies to the commands for values, of `step` each, then the lives; nil where there are not as many.
        fileprivate init?(_ replies: [Reply], _ flights: [Flight], _ strings: Int, step: Int) {
            (values, lives) = ((step - 1, step), (step * (flights.count - strings + min(strings, 1)), 1))
            guard replies.count == lives.start + flights.count else { return nil }
            if strings > 1 {
                guard case .array(let found) = replies[step - 1], found.count == strings else { return nil }
                many = found
            }
            (self.replies, self.flights) = (replies, flights)
        }

        /// Each value has its life behind it.
        fileprivate init?(pairs: [Reply], _ flights: [Flight]) {
            guard pairs.count == 2 * flights.count else { return nil }
            (replies, self.flights, values, lives) = (pairs, flights, (0, 2), (1, 2))
        }

        /// `isPassedOver`: there is something that MGET passed over, or there was in the moment after it.
        func each(_ body: (_ flight: Flight, _ value: Reply, _ life: Reply, _ isPassedOver: Bool) -> Void) {
            for (index, flight) in flights.enumerated() {
                let life = replies[lives.start + lives.step * index]
                if index < many.count {
                    body(flight, many[index], life, many[index] == .null && life != .integer(-2))
                } else {
                    let command = index - max(0, many.count - 1)
                    body(flight, replies[values.start + values.step * command], life, false)
                }
            }
        }
    }

    /// What Redis says where it does not let its user ask for tracking; nil where that is not it.
    func refusalOfTracking(_ replies: [Reply]) -> [UInt8]? {
        guard isTracked, case .error(let text)? = replies.first else { return nil }
        return text
    }
}
