// A master that dies and a replica that takes its place behind one address, as a service's name or a virtual address
// leads to it: for coherence a gap, and for deletions the same stream in another process.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Failover {
        /// `max_staleness`, and what a busy machine adds to the clocks of this test, in milliseconds.
        private static let bound = 1000.0
        private static let slack = 500.0

        /// A read: what it was answered with, and when it was asked.
        private struct Read {
            let at: Double
            let value: String
        }

        @Test func `a failover is a gap, after which nothing is read that is older than the bound`() throws {
            let master = try RedisServer()
            // Replicas connect by TCP.
            let masterPort = try ScriptedRedis(master.address)
            defer { masterPort.stop() }
            let replica = try RedisServer(["--replicaof", "127.0.0.1 \(masterPort.port)"])
            let service = try ScriptedRedis(master.address)
            defer { service.stop() }
            try eventually("the replica follows") {
                try replica.client().call("INFO", "replication").text.contains("master_link_status:up")
            }
            let hearth = try HearthProcess(
                redis: service.url, extra: #"policies: [{prefix: "", max_staleness: 1s, negative_ttl: 0s}]"#)
            try Coherence.waitUntilLive(hearth)
            try eventually("the stream is read") { hearth.log.contains("deletions_joined") }
            let client = try hearth.client()
            for (key, value) in [("k", "old"), ("gone", "v")] {
                #expect(try client.call("SET", key, value).text == "OK")
                #expect(try client.call("GET", key).text == value)
            }
            #expect(try client.call("DEL", "gone") == .integer(1))
            try eventually("the replica has it") {
                try replica.client().call("GET", "k").text == "old"
                    && replica.client().call("EXISTS", "hearth:deletions") == .integer(1)
            }

            master.kill()
            service.set(.refuse)
            try eventually("the gap is noticed") { try Coherence.figure("coherence_gaps", hearth) > 0 }
            #expect(try replica.client().call("REPLICAOF", "NO", "ONE").text == "OK")
            service.lead(to: replica.address)
            // Written by somebody who is there before Hearth is.
            let written = milliseconds()
            #expect(try replica.client().call("SET", "k", "new").text == "OK")
            service.set(.none)

            // Until Redis answers again copies are served, which is an outage's affair.
            try Coherence.waitUntilLive(hearth)
            try hearth.waitUntilRedisAnswers()
            let live = milliseconds()
            var reads: [Read] = []
            try eventually("the new value is read; \(hearth.log.suffix(1500))") {
                let at = milliseconds()
                reads.append(Read(at: at, value: try client.call("GET", "k").text))
                return reads.last?.value == "new"
            }
            for read in reads where read.value == "old" {
                #expect(
                    read.at < max(live, written + Self.bound) + Self.slack,
                    "\(read.at - written) ms after it was so, \(read.at - live) ms after Redis answered")
            }

            // What changes in the new master is told of.
            let received = try Coherence.figure("invalidations_received", hearth)
            #expect(try replica.client().call("SET", "k", "newer").text == "OK")
            try eventually("it is told of") { try Coherence.figure("invalidations_received", hearth) > received }
            #expect(try client.call("GET", "k").text == "newer")

            // The stream of deletions came over with the data.
            #expect(try client.call("GET", "gone") == .null)
            #expect(try replica.client().call("EXISTS", "gone") == .integer(0))
            #expect(!hearth.log.contains("deletions_missed"), "\(hearth.log.suffix(1500))")
            #expect(!hearth.log.contains("deletions_began_anew"), "\(hearth.log.suffix(1500))")
        }
    }
}
