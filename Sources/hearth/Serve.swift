// `hearth serve`: the configuration becomes a running server, and SIGHUP makes it another.

internal import Admin
internal import Audit
internal import Configuration
internal import EventLoop
internal import Journal
internal import LocalTier
internal import RedisTier
internal import Resilience
internal import Server
internal import Tiers
internal import WarmTier

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension CommandLineTool {
    func serve() -> Never {
        boundHeap()
        let words = words()
        guard words.rest.isEmpty else {
            fail(.usage, "hearth serve: what is '\(words.rest[0])'? Flags are --KEY VALUE")
        }
        let loaded = load(words.file, words.flags)
        let log = Log(level: loaded.configuration.log.logLevel)
        for warning in loaded.warnings { log.write(.warning, "configuration") { $0.member("text", "\(warning)") } }
        if let faults = Faults.given {
            log.write(.error, "fault_injected") {
                $0.member("HEARTH_FAULT", faults)
                $0.member("what_to_do", "for tests alone: unset it, or reads will be wrong")
            }
        }
        let reloading = Reloading(file: words.file, flags: words.flags, running: loaded.configuration, log: log)
        do {
            let manager = ServiceManager(Self.environment(), processID: getpid())
            let server = try HearthServer(try loaded.configuration.plan(), log: log, manager: manager)
            let admin = try AdminServer.start(loaded.configuration.admin, source: server.adminSource)
            if let admin { log.write(.info, "admin") { $0.member("address", "\(admin.address)") } }
            server.onReload = { [unowned server] in reloading.reload(server) }
            server.onRedisMisconfigured = { [unowned server] _ in reloading.readPasswordAgain(server) }
            server.run()
            admin?.stop()
            log.finish()
            // Not exit(3): it would wait for libuv's threads, one of which may hang in a resolver for many seconds.
            leave(.clean)
        } catch {
            log.write(.error, "start_failed") { $0.member("error", "\(error)") }
            log.finish()
            printError("hearth: \(error)")
            finish(.unavailable)
        }
    }
}

/// What SIGHUP does: the file is read again, and swapped in where it is good.
private final class Reloading {
    private let file: String?
    private let flags: [(String, String)]
    fileprivate var running: Configuration
    fileprivate let log: Log
    /// What the file held when it was read last, after a refusal.
    fileprivate var refusedPassword: String?

    init(file: String?, flags: [(String, String)], running: Configuration, log: Log) {
        self.file = file
        self.flags = flags
        self.running = running
        self.log = log
    }

    func reload(_ server: HearthServer) {
        do {
            let loaded = try CommandLineTool.read(file, flags)
            let difference = loaded.configuration.difference(from: running)
            let next = loaded.configuration.reloadable(over: running)
            server.reload(try next.plan())
            log.setLevel(next.log.logLevel)
            running = next
            for warning in loaded.warnings { log.write(.warning, "configuration") { $0.member("text", "\(warning)") } }
            log.write(difference.needRestart.isEmpty ? .info : .warning, "reloaded") {
                $0.array("applied") { for key in difference.applied { $0.string(key) } }
                $0.array("need_restart") { for key in difference.needRestart { $0.string(key) } }
            }
        } catch {
            log.write(.error, "reload_refused") { $0.member("error", "\(error)") }
        }
    }
}

extension Reloading {
    /// Redis refused this process: where the password comes from a file, it may have been rotated since it was read.
    func readPasswordAgain(_ server: HearthServer) {
        guard running.redis?.passwordFile != nil else { return }
        do {
            let plan = try running.plan()
            guard plan.redis?.password != refusedPassword else { return }
            refusedPassword = plan.redis?.password
            server.reload(plan)
        } catch {
            log.write(.error, "password_file") { $0.member("error", "\(error)") }
        }
    }
}

extension LogSection {
    var logLevel: Log.Level {
        switch level {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

extension Configuration {
    /// The configuration as the server is started with it; reads the password files.
    func plan() throws -> ServerPlan {
        var server = server
        server.allowedCommands = commands.allow
        if let file = socketPasswordFile {
            server.password = try Self.readPassword(file: file, of: "socket.password_file")
        }
        var redis = redis
        if let file = redis?.passwordFile {
            let password = try Self.readPassword(file: file, of: "redis.password_file")
            redis?.password = String(decoding: password, as: UTF8.self)
        }
        return ServerPlan(
            server: server, redis: redis,
            local: local.plan,
            warm: warm.plan(sync: warmSync, whenFull: warmWhenFull),
            journal: usesJournal ? journal.plan : nil,
            breaker: try BreakerConfiguration(
                window: breaker.window, minCalls: breaker.minCalls, failureRate: breaker.failureRate,
                consecutiveFailures: breaker.consecutiveFailures, slowCall: breaker.slowCall,
                slowRate: breaker.slowRate, open: breaker.open, openMax: breaker.openMax, probes: breaker.probes),
            policies: PolicyTable(
                policies.map { $0.residing(in: regions.ofTiers, usesRedis: redis != nil) }), audit: audit.plan)
    }
}

extension AuditSection {
    /// Nil where there is no file.
    var plan: AuditPlan? {
        guard let path else { return nil }
        let mode: AuditPlan.Sync =
            switch sync {
            case .always: .always
            case .interval(let duration): .interval(milliseconds: Int(duration.milliseconds))
            case .never: .never
            }
        return AuditPlan(
            options: AuditOptions(
                path: path, maxBytes: maxBytes, keep: keep, keys: keys == .plain ? .plain : .hashed),
            sync: mode, refuses: onFailure == .refuse)
    }
}

extension LocalSection {
    var plan: LocalTierConfiguration {
        let rule: EvictionRuleKind =
            switch eviction {
            case .lru: .lru
            case .s3FIFO: .s3FIFO
            case .wTinyLFU: .wTinyLFU
            }
        return LocalTierConfiguration(maxBytes: maxBytes, eviction: rule, shards: shards)
    }
}

extension JournalSection {
    var plan: JournalPlan {
        let mode: JournalPlan.Sync =
            switch sync {
            case .always: .always
            case .interval(let duration): .interval(milliseconds: Int(duration.milliseconds))
            case .never: .never
            }
        var replay = ReplayConfiguration()
        replay.rate = replayRate
        return JournalPlan(options: JournalOptions(directory: path, maxBytes: maxBytes), sync: mode, replay: replay)
    }
}

extension WarmSection {
    func plan(sync: Sync, whenFull: WhenFull) -> WarmTierConfiguration {
        let mode: WarmTierConfiguration.Sync =
            switch sync {
            case .interval(let duration): .interval(milliseconds: Int(duration.milliseconds))
            case .never: .never
            case .always, .auto: .always
            }
        return WarmTierConfiguration(
            directory: path, maxBytes: maxBytes, sync: mode, whenFull: whenFull == .evict ? .evict : .refuse,
            compressMin: compressMin)
    }
}
