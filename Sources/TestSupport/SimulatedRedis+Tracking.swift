// Tracking in the simulated Redis: who has read what, and whom it tells of changes.
//
// Written from https://redis.io/docs/manual/client-side-caching/ and from what Redis 7.0 was seen to do: a key is
// forgotten when it changes, whoever is told; a client with NOLOOP is not told of its own changes; a script's reads are
// those of its caller.

internal import Primitives

/// What a client has asked for with CLIENT TRACKING.
struct SimulatedTracking {
    var redirect: Int64
    var skipsOwn: Bool
    /// Only what CLIENT CACHING YES is said of is tracked.
    var isOptIn: Bool
    /// Nil where single keys are tracked.
    var prefixes: [[UInt8]]?
}

extension SimulatedRedis {
    private static let reading: Set<String> = [
        "GET", "STRLEN", "HGETALL", "PTTL", "TTL", "EXISTS", "TYPE", "MGET", "XRANGE", "XREVRANGE",
    ]

    /// How many keys are tracked for anybody.
    public var trackedKeys: Int { trackers.count }
    public func isTracked(_ key: String) -> Bool { trackers[Array(key.utf8)] != nil }

    /// Ends the connections to which others redirect, as CLIENT KILL does.
    public func cutSubscribers() {
        for connection in connections where connection.isSubscribed { connection.cut("Redis closed the connection") }
    }

    /// CLIENT TRACKING, CLIENT CACHING and SUBSCRIBE; nil for other commands.
    func track(_ name: String, _ a: [[UInt8]], _ connection: SimulatedRedisConnection) -> Reply? {
        let words = a.map { String(decoding: $0, as: UTF8.self) }
        switch (name, words.count > 1 ? words[1] : "") {
        case ("SUBSCRIBE", let channel):
            connection.isSubscribed = true
            return .array([.string(Array("subscribe".utf8)), .string(Array(channel.utf8)), .integer(1)])
        case ("CLIENT", "CACHING"):
            guard let tracking = connection.tracking else {
                return .error(
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
                        + "enabled")
            }
            if refusesCaching { return .error("NOPERM this user has no permissions to run 'client|caching'") }
            guard tracking.isOptIn == (words[2] == "YES") else {
                return .error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
            }
            connection.isExcepted = true
            return .ok
        case ("CLIENT", "TRACKING"):
            if refusesTracking { return .error("NOPERM this user has no permissions to run 'client|tracking'") }
            guard words[2] == "ON" else {
                connection.tracking = nil
                return .ok
            }
            let redirect = Int64(words[4]) ?? 0
            guard connections.contains(where: { $0.clientID == redirect }) else {
                return .error("ERR The client ID you want redirect to does not exist")
            }
            let prefixes = words.indices.filter { words[$0] == "PREFIX" }.map { a[$0 + 1] }
            for (index, prefix) in prefixes.enumerated() {
                for other in prefixes[..<index] where prefix.starts(with: other) || other.starts(with: prefix) {
                    return .error(
                        "ERR Prefix overlaps with another provided prefix. Prefixes for a single client must not overlap."
                    )
                }
            }
            let isBroadcast = words.contains("BCAST")
            connection.tracking = SimulatedTracking(
                redirect: redirect, skipsOwn: words.contains("NOLOOP"), isOptIn: words.contains("OPTIN"),
                prefixes: isBroadcast ? prefixes.isEmpty ? [[]] : prefixes : nil)
            return .ok
        default: return nil
        }
    }

    func noteRead(_ name: String, _ a: [[UInt8]]) {
        guard Self.reading.contains(name), let client = currentClient, let tracking = client.tracking,
            tracking.prefixes == nil, tracking.isOptIn == client.isExcepted
        else { return }
        for key in name == "MGET" || name == "EXISTS" ? a[1...] : a[1...1] {
            trackers[key, default: []].insert(client.clientID)
        }
    }

    func noteChange(of key: [UInt8]) {
        let clients = trackers.removeValue(forKey: key) ?? []
        for client in connections {
            guard let tracking = client.tracking, !(tracking.skipsOwn && client === currentClient) else { continue }
            let isTold = tracking.prefixes?.contains { key.starts(with: $0) } ?? clients.contains(client.clientID)
            if isTold { tell(tracking, .array([.string(key)])) }
        }
    }

    func tellOfFlush() {
        trackers = [:]
        for client in connections { if let tracking = client.tracking { tell(tracking, .null) } }
    }

    private func tell(_ tracking: SimulatedTracking, _ keys: Reply) {
        guard !losesInvalidations,
            let ear = connections.first(where: { $0.clientID == tracking.redirect && $0.isSubscribed })
        else { return }
        let channel = Reply.string(Array("__redis__:invalidate".utf8))
        ear.push(.array([.string(Array("message".utf8)), channel, keys]), delay: invalidationDelay())
    }
}
