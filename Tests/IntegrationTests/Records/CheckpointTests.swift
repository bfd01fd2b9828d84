// Checkpoints with real processes that are killed: what was acknowledged is where its reply said.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct CheckpointTests {
        @Test func `an acknowledged checkpoint is on this host's disk when Redis and the sidecar are both killed`()
            throws
        {
            let redis = try RedisServer()
            // A Redis that the scheduler lets wait is no outage here: else a checkpoint may go into the journal.
            let hearth = try HearthProcess(redis: redis.url, warm: "sync: never")
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            for step in 1...20 {
                let reply = try client.call("CHECKPOINT.PUT", "run", "\(step)", "data \(step)").fields
                #expect(reply["committed"]?.text == "redis+disk")
            }
            redis.kill()
            hearth.process.signal(.kill)
            _ = try hearth.process.wait()
            try hearth.restart()
            let resumed = try hearth.client().call("CHECKPOINT.GET", "run").fields
            #expect(resumed["step"] == .integer(20))
            #expect(resumed["data"]?.text == "data 20")
            #expect(resumed["source"]?.text == "warm")
            #expect(resumed["freshness"]?.text == "stale")
        }

        @Test func `a run of cheap checkpoints resumes from the last that was kept`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, extra: #"policies: [{prefix: "run:", checkpoints: {keep: 3, every: 5}}]"#)
            try hearth.waitUntilClosed()
            let client = try hearth.client()
            let places = try (1...8).map { step in
                try client.call("CHECKPOINT.PUT", "run:1", "\(step)", "data \(step)").fields["committed"]?.text
            }
            #expect(places == ["redis+disk", "local", "local", "local", "local", "redis+disk", "local", "local"])
            let here = try client.call("CHECKPOINT.GET", "run:1").fields
            #expect(here["step"] == .integer(8))
            #expect(here["source"]?.text == "local")
            #expect(here["reason"]?.text.hasPrefix("acknowledged from memory") == true)
            #expect(try client.call("CHECKPOINT.LIST", "run:1").fields["steps"]?.items.count == 3)
            #expect(try redis.client().call("HEXISTS", "run:1", "step:8") == .integer(0))
            hearth.process.signal(.kill)
            _ = try hearth.process.wait()
            try hearth.restart()
            try hearth.waitUntilClosed()
            let resumed = try hearth.client().call("CHECKPOINT.GET", "run:1").fields
            #expect(resumed["step"] == .integer(6))
            #expect(resumed["reason"]?.text == "")
            #expect(try hearth.client().call("HEARTH", "POLICY", "run:1").fields["checkpoints_every"] == .integer(5))
        }
    }
}
