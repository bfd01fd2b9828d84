// Residency through the tiers: what lies elsewhere holds nothing of a policy's keys, and that is counted.

import LocalTier
import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ResidencyTests {
    private let disk = SimulatedFileSystem(seed: 1)

    /// A sidecar whose tiers lie in these regions, and where keys under `eu:` may be in `eu` alone.
    private func sidecar(
        local: String = "eu", redis: String = "eu", warm: String = "eu", journal: String = "eu",
        _ onViolation: Residency.OnViolation = .skip
    ) throws -> Sidecar {
        let regions = TierRegions(local: local, redis: redis, warm: warm, journal: journal)
        let residing = policy("eu:") {
            $0.residency.regions = ["eu"]
            $0.residency.onViolation = onViolation
        }
        return try Sidecar([residing.residing(in: regions, usesRedis: true)], journalOn: disk)
    }

    private func fill(_ car: Sidecar) {
        for prefix in ["eu:", "any:"] {
            car.set(prefix + "plain", "v")
            car.state(prefix + "state", "v")
            car.evict(prefix + "plain")
            #expect(car.read(prefix + "plain").summary == "v redis fresh")
        }
    }

    @Test func `where everything lies inside, nothing is left out`() throws {
        let car = try sidecar()
        fill(car)
        #expect(car.warm.copies.count == 4)
        #expect(ResidencyFigures.Place.allCases.allSatisfy { car.share.residency.skipped($0) == 0 })
        #expect(!car.tiers.policies.hasViolations)
    }

    @Test func `a disk elsewhere holds nothing, neither from writes nor from reads`() throws {
        let car = try sidecar(warm: "us")
        fill(car)
        #expect(Set(car.warm.copies.keys) == [bytes("any:plain"), bytes("any:state")])
        #expect(!car.warm.changes.contains { $0.key.starts(with: bytes("eu:")) })
        #expect(car.share.residency.skipped(.warm) == 3)
        #expect(car.record("eu:run", .putCheckpoint(step: 1, [], keep: nil)) == "version 1 redis")
    }

    @Test func `memory elsewhere holds nothing, and each read asks Redis`() throws {
        let car = try sidecar(local: "us")
        fill(car)
        #expect(car.held("eu:plain") == nil)
        #expect(car.held("eu:state") == nil)
        #expect(car.read("eu:plain").summary == "v redis fresh")
        #expect(car.held("any:plain") != nil)
        #expect(car.share.residency.skipped(.local) >= 3)
    }

    @Test func `Redis elsewhere is never given the keys, and the disk decides on them`() throws {
        let car = try sidecar(redis: "us")
        car.set("eu:plain", "v")
        #expect(car.state("eu:state", "v") == "version 1 warm")
        #expect(car.inRedis("eu:plain") == nil)
        #expect(car.recordInRedis("eu:state") == nil)
        #expect(car.read("eu:plain").value?.bytes == bytes("v"))
        #expect(car.share.residency.skipped(.redis) == 2)
        guard case .error(let text)? = car.tiers.denialInRedis(of: [bytes("eu:list")]) else {
            Issue.record("Redis would be given the key")
            return
        }
        #expect(
            String(decoding: text, as: UTF8.self)
                == "DENIED keys that begin with 'eu:' may be held in eu alone (residency of their policy), and Redis is in "
                + "us: use a Hearth whose tiers are there, or change the policy")
        #expect(car.tiers.denialInRedis(of: [bytes("any:list")]) == nil)
    }

    @Test func `a journal elsewhere keeps no write, and the refusal says why`() throws {
        let car = try sidecar(journal: "us")
        fill(car)
        car.openBreaker()
        let reply = car.set("eu:plain", "in the outage")
        guard case .error(let text) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(
            String(decoding: text, as: UTF8.self).contains(
                "; the residency of its policy leaves the journal out (the journal is in us): nothing was done, try again"
            ))
        #expect(car.set("any:plain", "in the outage") == .ok)
        #expect(car.share.residency.skipped(.journal) == 1)
        #expect(car.read("eu:plain").value?.bytes == bytes("v"))
    }

    @Test func `under refuse the keys are denied altogether, and others served`() throws {
        let car = try sidecar(local: "us", .refuse)
        for reply in [car.set("eu:plain", "v"), car.perform(.mset(("any:a", "v"), ("eu:b", "v")))[0]] {
            guard case .error(let text) = reply else {
                Issue.record("\(reply)")
                continue
            }
            #expect(text.starts(with: bytes("DENIED keys that begin with 'eu:' may be held in eu alone")))
        }
        #expect(car.read("eu:plain").summary.hasPrefix("(refused: DENIED"))
        #expect(car.state("eu:state", "v").hasPrefix("DENIED"))
        #expect(car.inRedis("eu:plain") == nil && car.inRedis("any:a") == nil)
        #expect(car.set("any:plain", "v") == .ok)
        #expect(car.share.residency.refused.value == 4)
    }

    @Test func `a region that nobody knows counts as elsewhere, and without Redis only memory and disk count`() {
        let eu = policy { $0.residency.regions = ["eu"] }
        let unknown = eu.residing(in: TierRegions(local: "eu", redis: "eu", journal: "eu"), usesRedis: true)
        #expect(unknown.tiers == [.local, .redis])
        #expect(unknown.residency.violation?.text == "the warm tier is in a region that is not known")
        let embedded = eu.residing(in: TierRegions(local: "eu", warm: "eu"), usesRedis: false)
        #expect(embedded.residency.violation == nil)
        #expect(policy().residing(in: TierRegions(), usesRedis: true) == policy())
    }
}
