// HEARTH SCHEMAS: what `hearth migrate` must know before it begins, and compares while it runs.

internal import Primitives
internal import State
internal import Tiers

enum SchemaCommands {
    /// Answers which Redis is asked, a fingerprint of all schemas, and the policies that name one, with their steps.
    ///
    /// A walk over the keys (SCAN) can be gone on with only in the process that began it, and only under the same
    /// schemas has it brought what lies behind it to where it should be.
    static func list(_ c: Connection) throws(CommandError) {
        let tiers = c.worker.tiers
        var process = "none"
        if tiers.hasRedis {
            guard let runID = tiers.redisRunID else {
                throw CommandError("UNAVAILABLE no connection to Redis is up at this moment: ask again")
            }
            process = String(decoding: runID, as: UTF8.self)
        }
        let policies = tiers.policies.policies.filter { $0.records.schema.current != nil }
        let text = policies.map { "\($0.prefix) \($0.records.schema)" }.joined(separator: "\n")
        let fingerprint = Array(text.utf8).withUnsafeBytes { xxh3($0) }
        c.immediate { output in
            output.map(
                [
                    ("redis", .text(process)), ("fingerprint", .text(OperationID(rawValue: fingerprint).text)),
                    ("policies", .list(policies.map { fields($0) })),
                ], c.version)
        }
    }

    private static func fields(_ policy: Policy) -> [(String, Field)] {
        let schema = policy.records.schema
        let operations = schema.steps.flatMap { step in step.operations.map { (step.to, $0) } }
        return [
            ("prefix", .bytes(policy.prefix)), ("current", .integer(schema.current ?? 0)),
            ("write_back", .text(schema.writeBack.rawValue)),
            (
                "operations",
                .list(
                    operations.map { to, operation in
                        [
                            ("to", .integer(to)), ("operation", .text(operation.text)),
                            ("can_lose", .text(operation.canLose ? "yes" : "no")),
                        ]
                    })
            ),
        ]
    }
}
