// What is known of messages (EMIT) at one moment, for metrics, HEARTH STATUS and the status document.

internal import EventLoop
internal import Metrics
internal import Primitives
internal import Tiers

/// The outbox's figures at about one moment.
struct OutboxSnapshot {
    /// In Redis, for streams that do not take them: everybody's, as this process last saw them.
    let waiting: OutboxFigures.Waiting
    /// In this host's journal, with the writes that they go with.
    let journaled: Int
    /// Milliseconds since the oldest of those in Redis came to wait; 0 where none does.
    let ageMilliseconds: Int64
    let delivered: UInt64
    let delayed: UInt64
    let retried: UInt64
    let refused: UInt64

    init(_ figures: OutboxFigures, _ pending: PendingWrites?) {
        waiting = figures.waiting
        journaled = pending?.messageCount ?? 0
        ageMilliseconds = waiting.since.map { max(0, Loop.wallClock.milliseconds(since: $0)) } ?? 0
        delivered = figures.delivered.value
        delayed = figures.delayed.value
        retried = figures.retried.value
        refused = figures.refused.value
    }

    var statusFields: [(String, Field)] {
        [
            ("outbox_waiting", .integer(Int64(waiting.messages))),
            ("outbox_streams", .integer(Int64(waiting.streams))), ("outbox_age_ms", .integer(ageMilliseconds)),
            ("outbox_journaled", .integer(Int64(journaled))),
            ("outbox_delivered", .integer(Int64(clamping: delivered))),
            ("outbox_delayed", .integer(Int64(clamping: delayed))),
            ("outbox_retried", .integer(Int64(clamping: retried))),
        ]
    }

    func write(_ json: inout JSONWriter) {
        json.member("waiting", waiting.messages)
        json.member("streams", waiting.streams)
        json.member("age_ms", ageMilliseconds)
        json.member("journaled", journaled)
        json.member("delivered", delivered)
        json.member("delayed", delayed)
        json.member("retried", retried)
    }

    var families: [MetricFamily] {
        [
            MetricFamily(
                "hearth_outbox_pending",
                "Messages (EMIT) that are not in their streams yet: in Redis, where they are every sidecar's, and in this "
                    + "journal.", .gauge,
                [
                    Sample([Label("where", "redis")], waiting.messages),
                    Sample([Label("where", "journal")], journaled),
                ]),
            MetricFamily(
                "hearth_outbox_streams_stuck", "Streams that do not take their messages.", .gauge,
                [Sample([], waiting.streams)]),
            MetricFamily(
                "hearth_outbox_age_seconds", "Age of the oldest message that waits in Redis; 0 where none does.",
                .gauge,
                [Sample([], Double(ageMilliseconds) / 1000)]),
            .counter(
                "hearth_outbox_delivered_total", "Messages that this process brought into their streams.", delivered),
            .counter(
                "hearth_outbox_delayed_total", "Messages that their streams did not take as they were committed.",
                delayed),
            .counter("hearth_outbox_retried_total", "Attempts at delivering messages that wait.", retried),
            .counter("hearth_outbox_refused_total", "Attempts that a stream refused.", refused),
        ]
    }
}
