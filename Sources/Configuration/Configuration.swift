// The whole configuration as one value: what every module is told, after all layers have spoken.

public import Admin
public import RedisTier
public import Server
public import Tiers

/// Everything that can be configured, with the defaults of every module; see ``load(file:text:environment:flags:)``.
public struct Configuration: Sendable, Equatable {
    /// `socket`, `workers`, `limits` and `drain`.
    public var server = ServerConfiguration()
    /// `socket.password_file`: who starts the server reads it into `server.password` with ``readPassword(file:of:)``.
    public var socketPasswordFile: String?
    public var local = LocalSection()
    /// `redis.url: off`: the warm tier is the authority.
    public var redisIsOff = false
    /// The `redis` keys, also those that have no effect while Redis is off; see ``redis``.
    public var redisSettings = RedisConfiguration()
    public var breaker = BreakerSection()
    public var warm = WarmSection()
    public var journal = JournalSection()
    public var admin = AdminConfiguration()
    public var audit = AuditSection()
    public var commands = CommandsSection()
    public var log = LogSection()
    public var regions = RegionsSection()
    /// Complete policies with distinct prefixes: that of the empty prefix first, then the others in the file's order.
    public var policies = [Policy()]

    /// Every default.
    public init() {}

    /// The Redis tier's configuration, or nil with `redis.url: off`.
    public var redis: RedisConfiguration? { redisIsOff ? nil : redisSettings }

    /// Whether any write is ever journaled: where there is a Redis, and a policy that says so.
    public var usesJournal: Bool {
        !redisIsOff && policies.contains { $0.onOutage == .journal && $0.consistency != .strong }
    }

    /// `warm.sync` with `auto` decided: `always` where the warm tier is the authority, else once a second.
    public var warmSync: WarmSection.Sync {
        guard warm.sync == .auto else { return warm.sync }
        return redisIsOff ? .always : .interval(.seconds(1))
    }

    /// `warm.when_full` with `auto` decided: `refuse` where the warm tier is the authority, else `evict`.
    public var warmWhenFull: WarmSection.WhenFull {
        guard warm.whenFull == .auto else { return warm.whenFull }
        return redisIsOff ? .refuse : .evict
    }

    /// `redis.url` as one value; nil is `off`. A URL replaces the password that another URL gave.
    var redisURL: RedisURL? {
        get {
            guard !redisIsOff else { return nil }
            return RedisURL(
                endpoint: redisSettings.endpoint, database: redisSettings.database, username: redisSettings.username)
        }
        set {
            redisIsOff = newValue == nil
            let url = newValue ?? RedisURL(endpoint: RedisConfiguration().endpoint, database: 0, username: nil)
            redisSettings.endpoint = url.endpoint
            redisSettings.database = url.database
            redisSettings.username = url.username
            redisSettings.password = url.password
        }
    }
}
