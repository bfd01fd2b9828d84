// The commands of the simulated Redis, written from Redis's documentation and not from Hearth's own State module.
//
// Source: https://redis.io/commands.

public import Primitives

extension SimulatedRedis {
    /// The scripts that Hearth sends, known by their text: another text is an error, so that none goes unnoticed.
    private enum Script: String, CaseIterable {
        case lengthenLife = """
            local life = redis.call('PTTL', KEYS[1])
            if life > 0 and life < tonumber(ARGV[1]) then
              redis.call('PEXPIRE', KEYS[1], ARGV[1])
              return redis.call('EXISTS', KEYS[1])
            end
            return 0
            """
        case giveLife =
            "if redis.call('PTTL', KEYS[1]) == -1 then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return 0"
        case readMany = """
            local r = {}
            for i, key in ipairs(KEYS) do
                r[2 * i - 1] = redis.pcall(ARGV[i], key)
                r[2 * i] = redis.pcall('PTTL', key)
            end
            return r
            """
        case setManyIfNone = """
            local n = #KEYS
            if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
            for i = 1, n do
              if ARGV[n + i] == '0' then redis.call('SET', KEYS[i], ARGV[i])
              else redis.call('SET', KEYS[i], ARGV[i], 'PX', ARGV[n + i]) end
            end
            return 1
            """
    }

    /// Executes a command as another client would, at once.
    @discardableResult
    public func execute(_ words: String...) -> Reply { execute(words.map { Array($0.utf8) }) }

    /// Executes a command as another client would, at once.
    @discardableResult
    public func execute(_ arguments: [[UInt8]]) -> Reply { perform(arguments) }

    /// A command as it came over a connection.
    func carryOut(_ arguments: [[UInt8]], on connection: SimulatedRedisConnection) -> Reply {
        guard let first = arguments.first else { return .error("ERR empty") }
        let name = String(decoding: first, as: UTF8.self).uppercased()
        currentClient = connection
        defer {
            currentClient = nil
            if name != "CLIENT", connection.queue == nil { connection.isExcepted = false }
        }
        if let reply = track(name, arguments, connection) { return reply }
        if let reply = shakeHands(name, arguments, connection) { return reply }
        if keepsLog { executed.append(arguments) }
        switch name {
        case "MULTI":
            connection.queue = []
            connection.isQueueBroken = false
            return .ok
        case "DISCARD":
            connection.queue = nil
            return .ok
        case "EXEC":
            guard let queue = connection.queue else { return .error("ERR EXEC without MULTI") }
            connection.queue = nil
            if connection.isQueueBroken {
                return .error("EXECABORT Transaction discarded because of previous errors.")
            }
            return .array(queue.map { performAndTell($0) })
        default: break
        }
        if let refusal = refusal(name, isQueued: connection.queue != nil) {
            connection.isQueueBroken = true
            return refusal
        }
        guard connection.queue == nil else {
            connection.queue?.append(arguments)
            return .status("QUEUED")
        }
        return performAndTell(arguments)
    }

    private func performAndTell(_ arguments: [[UInt8]]) -> Reply {
        let reply = perform(arguments)
        onPerformed?(arguments, reply)
        return reply
    }

    private func shakeHands(_ name: String, _ arguments: [[UInt8]], _ connection: SimulatedRedisConnection) -> Reply? {
        if name == "AUTH" {
            guard let password else { return .error("ERR AUTH <password> called without any password configured") }
            connection.isAuthenticated = arguments.last == password
            return connection.isAuthenticated
                ? .ok : .error("WRONGPASS invalid username-password pair or user is disabled.")
        }
        if password != nil, !connection.isAuthenticated { return .error("NOAUTH Authentication required.") }
        switch name {
        case "SELECT":
            guard let index = Int(String(decoding: arguments[1], as: UTF8.self)), index < 16 else {
                return .error("ERR DB index is out of range")
            }
            return .ok
        case "CLIENT" where refusedClientCommands.contains(String(decoding: arguments[1], as: UTF8.self)):
            return .error("NOPERM this user has no permissions to run this command")
        case "CLIENT" where arguments.count == 4 && arguments[1] == Array("KILL".utf8):
            return .integer(kill(Int64(String(decoding: arguments[3], as: UTF8.self)) ?? 0))
        case "CLIENT" where arguments.count == 3 && arguments[1] == Array("SETNAME".utf8):
            connection.name = String(decoding: arguments[2], as: UTF8.self)
            return .ok
        case "CLIENT" where arguments.last == Array("LIST".utf8):
            let lines = connections.map { "id=\($0.clientID) addr=simulated name=\($0.name) db=0\n" }
            return .string(Array(lines.joined().utf8))
        case "CLIENT": return arguments.count == 2 ? .integer(connection.clientID) : .ok
        case "INFO" where arguments.last == Array("server".utf8):
            return .string(Array("# Server\r\nrun_id:\(runID)\r\n".utf8))
        case "INFO":
            connection.didShakeHands()
            return .string(Array("# Cluster\r\ncluster_enabled:\(isCluster ? 1 : 0)\r\n".utf8))
        default: return nil
        }
    }

    private static let writes: Set<String> = [
        "SET", "SETNX", "SETEX", "PSETEX", "GETSET", "GETDEL", "GETEX", "MSET", "MSETNX", "DEL", "UNLINK", "EXPIRE",
        "PEXPIRE", "PEXPIREAT", "EXPIREAT", "PERSIST", "INCR", "DECR", "INCRBY", "DECRBY", "APPEND", "RENAME",
        "FLUSHDB", "FLUSHALL", "LPUSH", "XADD", "EVAL", "EVALSHA",
    ]
    private static let growing: Set<String> = [
        "SET", "SETNX", "SETEX", "PSETEX", "GETSET", "MSET", "MSETNX", "INCR", "DECR", "INCRBY", "DECRBY", "APPEND",
        "LPUSH", "XADD",
    ]

    /// What a Redis in this condition answers to a command instead of carrying it out.
    private func refusal(_ name: String, isQueued: Bool) -> Reply? {
        if refusedCommands.contains(name) {
            return .error("NOPERM this user has no permissions to run the '\(name.lowercased())' command")
        }
        return switch condition {
        case .healthy: nil
        case .loading: .error("LOADING Redis is loading the dataset in memory")
        case .readonly where Self.writes.contains(name): .error("READONLY You can't write against a read only replica.")
        // Nothing at all is queued while memory is short, not even a GET.
        case .outOfMemory where Self.growing.contains(name) || isQueued:
            .error("OOM command not allowed when used memory > 'maxmemory'.")
        case .misconfigured where Self.writes.contains(name) || name == "PING":
            .error("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.")
        case .readonly, .outOfMemory, .misconfigured: nil
        }
    }

    // MARK: Commands

    private static let wrongType = Reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")

    private func perform(_ a: [[UInt8]]) -> Reply {
        let name = String(decoding: a[0], as: UTF8.self).uppercased()
        let key = a.count > 1 ? a[1] : []
        noteRead(name, a)
        switch name {
        case "PING": return .status("PONG")
        case "WAIT": return waitAnswer
        case "ECHO": return .string(key)
        case "GET", "STRLEN", "GETSET", "GETDEL", "GETEX", "INCR", "DECR", "INCRBY", "DECRBY", "APPEND":
            if let entry = live(key), !entry.isString { return Self.wrongType }
            return performOnString(name, key, a)
        case "HGETALL":
            guard let entry = live(key) else { return .array([]) }
            guard case .hash(let fields) = entry.content else { return Self.wrongType }
            return .array(fields.flatMap { [.string($0.key), .string($0.value)] })
        case "SET": return set(key, a)
        case "SETNX":
            guard live(key) == nil else { return .integer(0) }
            put(key, a[2], .never)
            return .integer(1)
        case "SETEX", "PSETEX":
            put(key, a[3], now.advanced(byMilliseconds: number(a[2]) * (name == "SETEX" ? 1000 : 1)))
            return .ok
        case "MGET":
            return .array(
                a.dropFirst().map { live($0)?.isString ?? false ? performOnString("GET", $0, a) : .null })
        case "MSET":
            for index in stride(from: 1, to: a.count, by: 2) { put(a[index], a[index + 1], .never) }
            return .ok
        case "MSETNX":
            for index in stride(from: 1, to: a.count, by: 2) where live(a[index]) != nil { return .integer(0) }
            for index in stride(from: 1, to: a.count, by: 2) { put(a[index], a[index + 1], .never) }
            return .integer(1)
        case "LPUSH":
            store(key, Entry(content: .list(Array(a.dropFirst(2)))))
            return .integer(Int64(a.count - 2))
        case "EVAL":
            return record(a, byDigest: false) ?? deliver(a, byDigest: false) ?? replay(a, byDigest: false)
                ?? eraseMessages(a) ?? deletions(a) ?? evaluate(a)
        case "EVALSHA":
            return record(a, byDigest: true) ?? deliver(a, byDigest: true) ?? replay(a, byDigest: true)
                ?? .error("ERR no such script")
        case "ZRANGE": return members(of: key)
        case "SCAN": return scan(from: key, matching: a[3], count: Int(number(a[5])))
        case "XRANGE" where a.count == 6: return range(of: key, from: a[2], count: Int(number(a[5])))
        case "XADD": return addDeletion(a)
        case "XLEN": return .integer(Int64(streamEntries(key)?.count ?? 0))
        default: return performOnKey(name, key, a)
        }
    }

    private func performOnKey(_ name: String, _ key: [UInt8], _ a: [[UInt8]]) -> Reply {
        switch name {
        case "DEL", "UNLINK":
            let held = Set(a.dropFirst()).filter { live($0) != nil }
            for key in held { store(key, nil) }
            return .integer(Int64(held.count))
        case "EXISTS": return .integer(Int64(a.dropFirst().count { live($0) != nil }))
        case "PTTL", "TTL":
            guard let entry = live(key) else { return .integer(-2) }
            guard entry.expiresAt != .never else { return .integer(-1) }
            let life = entry.expiresAt.milliseconds(since: now)
            return .integer(name == "TTL" ? (life + 500) / 1000 : life)
        case "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT":
            guard var entry = live(key) else { return .integer(0) }
            let milliseconds = number(a[2]) * (name.hasPrefix("P") ? 1 : 1000)
            entry.expiresAt =
                name.hasSuffix("AT")
                ? Timestamp(milliseconds: milliseconds) : now.advanced(byMilliseconds: milliseconds)
            store(key, entry)
            return .integer(1)
        case "PERSIST":
            guard var entry = live(key), entry.expiresAt != .never else { return .integer(0) }
            entry.expiresAt = .never
            store(key, entry)
            return .integer(1)
        case "TYPE":
            guard let entry = live(key) else { return .status("none") }
            return .status(Array(entry.typeName.utf8))
        case "RENAME":
            guard let entry = live(key) else { return .error("ERR no such key") }
            store(key, nil)
            store(a[2], entry)
            return .ok
        case "DBSIZE": return .integer(Int64(entries.keys.count { live($0) != nil }))
        case "FLUSHDB", "FLUSHALL":
            tellOfFlush()
            for key in Array(entries.keys) { store(key, nil) }
            return .ok
        default: return .error("ERR unknown command '\(name)' in the simulation")
        }
    }

    private func performOnString(_ name: String, _ key: [UInt8], _ a: [[UInt8]]) -> Reply {
        let held = string(key)
        let expiresAt = live(key)?.expiresAt ?? .never
        switch name {
        case "GET":
            if held != nil, expiresBetweenCommands.remove(key) != nil { store(key, nil) }
            return held.map { .string($0) } ?? .null
        case "STRLEN": return .integer(Int64(held?.count ?? 0))
        case "GETSET":
            put(key, a[2], .never)
            return held.map { .string($0) } ?? .null
        case "GETDEL":
            if held != nil { store(key, nil) }
            return held.map { .string($0) } ?? .null
        case "GETEX":
            let end = expiry(a, 2) ?? .never
            // PERSIST where there is no end changes nothing.
            if let held, a.count > 2, end != .never || expiresAt != .never { put(key, held, end) }
            return held.map { .string($0) } ?? .null
        case "APPEND":
            let value = (held ?? []) + a[2]
            put(key, value, expiresAt)
            return .integer(Int64(value.count))
        default:
            let step = a.count > 2 ? number(a[2]) : 1
            guard let value = held.map({ Int64(String(decoding: $0, as: UTF8.self)) }) ?? 0 else {
                return .error("ERR value is not an integer or out of range")
            }
            let sum = value + (name.hasPrefix("DECR") ? -step : step)
            put(key, Array(String(sum).utf8), expiresAt)
            return .integer(sum)
        }
    }

    private func set(_ key: [UInt8], _ a: [[UInt8]]) -> Reply {
        let options = a.dropFirst(3).map { String(decoding: $0, as: UTF8.self).uppercased() }
        let before = live(key)
        if options.contains("GET"), let before, !before.isString { return Self.wrongType }
        let old: Reply = string(key).map { .string($0) } ?? .null
        let isDone = !(options.contains("NX") && before != nil) && !(options.contains("XX") && before == nil)
        if isDone {
            let keeps = options.contains("KEEPTTL")
            put(key, a[2], expiry(a, 3) ?? (keeps ? before?.expiresAt ?? .never : .never))
        }
        if options.contains("GET") { return old }
        return isDone ? .ok : .null
    }

    private func expiry(_ a: [[UInt8]], _ start: Int) -> Timestamp? {
        for index in start..<a.count {
            switch String(decoding: a[index], as: UTF8.self).uppercased() {
            case "EX": return now.advanced(byMilliseconds: number(a[index + 1]) * 1000)
            case "PX": return now.advanced(byMilliseconds: number(a[index + 1]))
            case "EXAT": return Timestamp(milliseconds: number(a[index + 1]) * 1000)
            case "PXAT": return Timestamp(milliseconds: number(a[index + 1]))
            default: break
            }
        }
        return nil
    }

    private func evaluate(_ a: [[UInt8]]) -> Reply {
        let count = Int(number(a[2]))
        let keys = Array(a[3..<3 + count])
        let arguments = Array(a[(3 + count)...])
        switch Script(rawValue: String(decoding: a[1], as: UTF8.self)) {
        case .lengthenLife?:
            guard case .integer(let life) = perform([Array("PTTL".utf8), keys[0]]), life > 0,
                life < number(arguments[0])
            else { return .integer(0) }
            _ = perform([Array("PEXPIRE".utf8), keys[0], arguments[0]])
            return perform([Array("EXISTS".utf8), keys[0]])
        case .giveLife?:
            guard case .integer(-1) = perform([Array("PTTL".utf8), keys[0]]) else { return .integer(0) }
            return perform([Array("PEXPIRE".utf8), keys[0], arguments[0]])
        case .readMany?:
            return .array(
                zip(keys, arguments).flatMap { [perform([$1, $0]), perform([Array("PTTL".utf8), $0])] })
        case .setManyIfNone?:
            guard !keys.contains(where: { live($0) != nil }) else { return .integer(0) }
            for (index, key) in keys.enumerated() {
                let life = number(arguments[count + index])
                put(key, arguments[index], life == 0 ? .never : now.advanced(byMilliseconds: life))
            }
            return .integer(1)
        case nil: return .error("ERR a script that the simulation does not know")
        }
    }

    private func put(_ key: [UInt8], _ value: [UInt8], _ expiresAt: Timestamp) {
        store(key, Entry(content: .string(value), expiresAt: expiresAt))
    }

    private func string(_ key: [UInt8]) -> [UInt8]? {
        if case .string(let bytes)? = live(key)?.content { bytes } else { nil }
    }

    private func number(_ bytes: [UInt8]) -> Int64 { Int64(String(decoding: bytes, as: UTF8.self)) ?? 0 }
}

extension SimulatedRedis.Entry {
    fileprivate var isString: Bool { typeName == "string" }

    /// As TYPE has it.
    var typeName: String {
        switch content {
        case .string: "string"
        case .list: "list"
        case .hash: "hash"
        case .stream: "stream"
        case .sortedSet: "zset"
        }
    }
}
