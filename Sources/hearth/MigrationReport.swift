// What a migration did, or would do: as text for a person, as JSON for a program.

internal import Metrics

struct MigrationReport {
    private let options: MigrationOptions
    private let policies: [MigrationPolicies.Policy]
    private let progress: MigrationProgress

    init(_ options: MigrationOptions, _ policies: MigrationPolicies?, _ progress: MigrationProgress) {
        self.options = options
        self.policies = policies?.ruling(options.prefix) ?? []
        self.progress = progress
    }

    /// Outcomes in the order of the report, and what a person reads of them.
    private var outcomes: [(name: String, text: String)] {
        [
            ("migrated", options.isDryRun ? "would be migrated" : "migrated"), ("current", "had their schema"),
            ("held", "are held (write_back: hold), --held takes them too"),
            ("failed", "can't be migrated"), ("newer", "have a newer schema than their policy"),
            ("too_big", "would pass max_value"), ("error", "are answered with an error"),
            ("no_schema", "have a policy without a schema"),
        ]
    }

    /// The operations of the policies in their order, and those that a run before a reload has counted.
    private var operations: [(operation: MigrationProgress.Operation, canLose: Bool)] {
        var listed: [(operation: MigrationProgress.Operation, canLose: Bool)] = []
        for operation in policies.flatMap(\.operations) {
            let operation = (MigrationProgress.Operation(to: operation.to, text: operation.text), operation.canLose)
            if !listed.contains(where: { $0.operation == operation.0 }) { listed.append(operation) }
        }
        let gone = progress.effects.keys.filter { key in !listed.contains { $0.operation == key } }
        return listed + gone.sorted { ($0.to, $0.text) < ($1.to, $1.text) }.map { ($0, progress.effects[$0]!.lost > 0) }
    }

    private func effect(_ operation: MigrationProgress.Operation) -> MigrationProgress.Effect {
        progress.effects[operation] ?? MigrationProgress.Effect()
    }

    // MARK: Text

    var text: String {
        let prefix = options.prefix.isEmpty ? "every key" : "\"\(Figures.printable(options.prefix))\""
        var lines = [
            "\(options.isDryRun ? "dry run, nothing is changed: " : "")\(prefix), \(progress.looked) keys looked at"
                + (progress.notRecords > 0 ? ", \(progress.notRecords) of them no records" : "")
                + (progress.isDone ? "" : "; NOT finished")
        ]
        for policy in policies {
            let name = policy.prefix.isEmpty ? "the policy for every key" : "\"\(Figures.printable(policy.prefix))\""
            lines.append("policy  \(name): schema \(policy.current), write_back \(policy.writeBack)")
        }
        for (name, text) in outcomes where progress.count(name) > 0 || name == "migrated" {
            lines.append(Figures.right(String(progress.count(name)), 10) + "  " + text)
        }
        lines += steps
        if progress.beginnings > 0 {
            lines.append(
                "the walk began anew \(progress.beginnings) times, for another Redis or other schemas answered: what it "
                    + "looked at again is counted again")
        }
        return (lines + listed).joined(separator: "\n")
    }

    private var steps: [String] {
        operations.map { operation, canLose in
            let effect = effect(operation)
            var line = "to \(operation.to)  \(operation.text): \(effect.records) records, \(effect.places) places"
            if canLose {
                line += effect.lost > 0 ? "; CAN'T BE UNDONE, \(effect.lost) values are lost" : "; loses nothing here"
            }
            return line
        }
    }

    private var listed: [String] {
        guard !progress.failures.isEmpty else { return [] }
        let more = progress.failureCount - Int64(progress.failures.count)
        return ["by \(options.showsKeys ? "key" : "key hash"):"]
            + progress.failures.map { "  \($0.name)  \($0.outcome): \($0.reason)" }
            + (more > 0 ? ["  and \(more) more"] : [])
    }

    // MARK: JSON

    var json: String {
        var json = JSONWriter()
        json.object { json in
            json.member("prefix", String(decoding: options.prefix, as: UTF8.self))
            json.member("dry_run", options.isDryRun)
            json.member("held_too", options.includesHeld)
            json.member("finished", progress.isDone)
            json.member("keys", progress.looked)
            json.member("not_records", progress.notRecords)
            for (name, _) in outcomes { json.member(name, progress.count(name)) }
            json.member("began_anew", progress.beginnings)
            json.array("policies") { json in
                for policy in policies {
                    json.object { json in
                        json.member("prefix", String(decoding: policy.prefix, as: UTF8.self))
                        json.member("schema", policy.current)
                        json.member("write_back", policy.writeBack)
                    }
                }
            }
            json.array("operations") { json in
                for (operation, canLose) in operations {
                    let effect = effect(operation)
                    json.object { json in
                        json.member("to", operation.to)
                        json.member("operation", operation.text)
                        json.member("can_lose", canLose)
                        json.member("records", effect.records)
                        json.member("places", effect.places)
                        json.member("lost", effect.lost)
                    }
                }
            }
            json.array("failures") { json in
                for failure in progress.failures {
                    json.object { json in
                        json.member(options.showsKeys ? "key" : "key_hash", failure.name)
                        json.member("outcome", failure.outcome)
                        json.member("reason", failure.reason)
                    }
                }
            }
            json.member("failures_left_out", progress.failureCount - Int64(progress.failures.count))
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
