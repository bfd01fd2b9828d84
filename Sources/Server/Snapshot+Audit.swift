// What is known of the audit at one moment, for metrics, INFO, HEARTH STATUS and readiness.

internal import Metrics

/// The audit's figures at about one moment.
struct AuditFigures {
    let figures: AuditService.Figures
    let dropped: UInt64
    let refused: UInt64
    let waiting: Int
    let refuses: Bool

    init(_ service: AuditService) {
        figures = service.figures
        dropped = service.dropped.value
        refused = service.refused.value
        waiting = service.waiting
        refuses = service.refuses
    }

    var state: String { figures.failure == nil ? "healthy" : "degraded" }
    private var head: String { String(decoding: figures.head.hash.hexadecimal, as: UTF8.self) }

    var statusFields: [(String, Field)] {
        func integer(_ value: UInt64) -> Field { .integer(Int64(clamping: value)) }
        return [
            ("audit_state", .text(state)), ("audit_sequence", integer(figures.head.sequence)),
            ("audit_head", .text(head)), ("audit_lines", integer(figures.lines)),
            ("audit_bytes", integer(figures.bytes)), ("audit_waiting", .integer(Int64(waiting))),
            ("audit_dropped", integer(dropped)), ("audit_refused", integer(refused)),
            ("audit_failures", integer(figures.failures)),
        ]
    }

    var informationLines: [(String, String)] {
        [
            ("audit_state", state), ("audit_on_failure", refuses ? "refuse" : "drop"),
            ("audit_sequence", "\(figures.head.sequence)"), ("audit_head", head), ("audit_lines", "\(figures.lines)"),
            ("audit_bytes", "\(figures.bytes)"), ("audit_waiting", "\(waiting)"), ("audit_dropped", "\(dropped)"),
            ("audit_refused", "\(refused)"), ("audit_failures", "\(figures.failures)"),
        ]
    }

    func write(_ json: inout JSONWriter) {
        json.member("state", state)
        json.member("sequence", figures.head.sequence)
        json.member("head", head)
        json.member("lines", figures.lines)
        json.member("bytes", figures.bytes)
        json.member("waiting", waiting)
        json.member("dropped", dropped)
        json.member("refused", refused)
        json.member("failures", figures.failures)
    }

    /// What readiness says of it: why lines can't be written, and what that means for those who ask.
    var degradation: String? {
        figures.failure.map { failure in
            "\(failure); audited accesses are \(refuses ? "refused" : "answered without a line") (audit.on_failure)"
        }
    }

    var families: [MetricFamily] {
        [
            .counter("hearth_audit_lines_total", "Lines that were written to the audit.", figures.lines),
            .counter("hearth_audit_written_bytes_total", "Bytes that were written to the audit.", figures.bytes),
            .counter("hearth_audit_dropped_total", "Accesses that were answered without a line in the audit.", dropped),
            .counter(
                "hearth_audit_refused_total", "Accesses that were refused for want of a line in the audit.", refused),
            .counter(
                "hearth_audit_failures_total", "Writes and synchronisations of the audit that failed.",
                figures.failures),
            .counter("hearth_audit_rotations_total", "Files that the audit has begun anew.", figures.rotations),
            .gauge("hearth_audit_waiting", "Requests whose lines wait to be written.", waiting),
            .gauge(
                "hearth_audit_degraded", "1 while lines of the audit can't be written.",
                figures.failure == nil ? 0 : 1),
        ]
    }
}
