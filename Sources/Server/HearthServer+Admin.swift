// What the admin plane is given: values, made when it asks.

public import Admin
internal import EventLoop
internal import Metrics
internal import Resilience
internal import WarmTier

extension HearthServer {
    /// The sources of health, metrics, status and control; each closure runs on the admin thread.
    public var adminSource: AdminSource {
        let context = context
        let dashboard = Dashboard(context)
        return AdminSource(
            liveness: { true },
            readiness: { context.readiness(Snapshot(context)) },
            metrics: { Snapshot(context).families },
            status: { Snapshot(context).json() },
            control: { path, _ in context.control(path) },
            live: LiveSource(
                look: { dashboard.look() }, news: { dashboard.news() }, past: { dashboard.past() }),
            failed: { text in context.log.write(.warning, "admin_error") { $0.member("error", text) } })
    }
}

extension ProcessContext {
    /// Redis being down does not make this process unready: it answers, degraded.
    func readiness(_ snapshot: Snapshot) -> Readiness {
        let isServing = isServing.load(ordering: .relaxed)
        var components = [
            Readiness.Component("socket", isServing ? .ok : .failed, isServing ? "" : "not serving, or draining")
        ]
        if snapshot.hasRedis {
            let isClosed = snapshot.readState == .closed && snapshot.writeState == .closed
            // The breaker counts requests, and without any says nothing of a redis.url that leads nowhere.
            let wasReached = snapshot.counters.redisConnects > 0
            components.append(
                Readiness.Component(
                    "redis", isClosed && wasReached ? .ok : .degraded,
                    !wasReached
                        ? "no connection was made yet: redis_disconnected in the log has the reason"
                        : isClosed
                            ? "" : "reads \(snapshot.readState.rawValue), writes \(snapshot.writeState.rawValue)"))
        }
        if let journal = snapshot.journal {
            let waits = journal.entries > 0 ? "\(journal.entries) entries wait for Redis" : ""
            switch journal.statistics.state {
            case .healthy where journal.isHeld:
                components.append(
                    Readiness.Component(
                        "journal", .degraded,
                        "\(waits), and are held: they were accepted for another redis.url; start with that one, or "
                            + "hearth journal replay gives them to the present one, hearth journal discard forgets them"
                    ))
            case .healthy: components.append(Readiness.Component("journal", .ok, waits))
            case .full:
                components.append(
                    Readiness.Component(
                        "journal", .degraded, "full: \(waits); writes in this outage are refused (journal.max_bytes)"))
            case .degraded(let error): components.append(Readiness.Component("journal", .degraded, "\(error)"))
            }
        }
        if case .degraded(let error) = snapshot.warm.state {
            components.append(Readiness.Component("warm", .degraded, "\(error)"))
        } else {
            components.append(Readiness.Component("warm", .ok))
        }
        if let audit = snapshot.audit {
            components.append(
                Readiness.Component("audit", audit.degradation == nil ? .ok : .degraded, audit.degradation ?? ""))
        }
        return Readiness(isReady: isServing, components: components)
    }

    fileprivate func control(_ path: String) -> AdminResponse {
        let modes: [String: BreakerMode] = [
            "/breaker/open": .forcedOpen, "/breaker/close": .forcedClosed, "/breaker/auto": .automatic,
        ]
        guard let mode = modes[path] else { return .text("no such control: \(path)\n", status: 404) }
        guard settings.withLock({ $0.redis != nil }) else {
            return .text("there is no breaker: no Redis is configured (redis.url: off)\n", status: 409)
        }
        share.breaker.force(mode, now: Loop.monotonicNanoseconds)
        replayNow()
        return .text("the breaker is \(share.breaker.state(of: .read).rawValue)\n")
    }

    func information(_ sections: Set<String>) -> String {
        Snapshot(self).information(sections, processID: processID())
    }

    func statusFields() -> [(String, Field)] { Snapshot(self).statusFields }

    func journalFields() -> [(String, Field)] { Snapshot(self).journal?.statusFields ?? [] }

    /// Replays what is due without waiting for the next look at it.
    func replayNow(adopting: Bool = false) {
        guard let first = workers.first else { return }
        first.mailbox.send(.replay(adopting: adopting))
    }

    func statusDocument() -> [UInt8] { Snapshot(self).json() }

    func metricsExposition() -> [UInt8] { exposition(Snapshot(self).families) }

    func latencyFields() -> [(String, Field)] { Snapshot(self).latencyFields }

    /// The parameters of Redis that clients and load generators ask for by CONFIG GET.
    var redisParameters: [(String, String)] {
        let (server, database) = settings.withLock { ($0.server, $0.redis?.database ?? 0) }
        return [
            ("appendonly", "no"), ("databases", "\(database + 1)"), ("maxclients", "\(server.maxClients)"),
            ("maxmemory", "\(share.local.arenaBytes)"),
            ("maxmemory-policy", "allkeys-\(share.local.configuration.eviction.rawValue)"),
            ("proto-max-bulk-len", "\(server.maxRequest)"), ("save", ""),
            ("timeout", "\(server.idle.milliseconds / 1000)"),
        ]
    }
}
