"""The breakages: in which file what is replaced by what, and which tests are to fail. A rule that no longer fits says so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    # The regular expression of the tests that are to see it, for `swift test --filter`.
    tests: str


SYNC = "Sources/SegmentLog/SegmentLog+Commit.swift"
WARM = "Sources/WarmTier/"
TIERS = "Sources/Tiers/"

EVERY = (
    # Disk.
    Mutant(
        "acknowledged before it is synced", SYNC, "        if synchronously {\n", "        if false {\n",
        "WarmTierTests|JournalTests",
    ),
    Mutant(
        "what a failed write left is not cut away", SYNC,
        "            try fileSystem.truncate(segments[index].file.file, to: end)\n            try synchronizeSegment(index)\n",
        "            try synchronizeSegment(index)\n",
        "WarmTierTests|JournalTests|SegmentLogTests",
    ),
    Mutant(
        "no note of what a failed sync leaves", SYNC, "        marks.refused[segments[index].sequence] = end\n", "",
        "WarmTierTests|JournalTests",
    ),
    Mutant(
        "a new file's name is not synced", SYNC,
        "                try fileSystem.synchronize(open)\n                try fileSystem.synchronizeDirectory(options.directory)\n",
        "                try fileSystem.synchronize(open)\n",
        "WarmTierTests|JournalTests",
    ),
    Mutant(
        "a file's removal is not synced", "Sources/SegmentLog/SegmentLog+Remove.swift",
        "            try fileSystem.synchronizeDirectory(options.directory)\n        } catch {\n            failure = error\n"
        "            throw .file(error)",
        "        } catch {\n            failure = error\n            throw .file(error)",
        "WarmTierTests|JournalTests",
    ),
    Mutant(
        "copies are not synced before their original goes", WARM + "WarmWriter+Room.swift",
        "        if log.isUnsynchronized { try reportingLog", "        if false { try reportingLog", "WarmTierTests",
    ),
    Mutant(
        "a copy forgets what its original shadowed", WARM + "Relocation.swift",
        "        header.shadow = header.shadow.including(relocation.sequence)\n", "        header.shadow = .none\n",
        "WarmTierTests",
    ),
    Mutant(
        "a deletion is forgotten while something older exists", WARM + "Relocation.swift",
        "        if log.mayHold(line.shadow, except: sequence) {", "        if false {", "WarmTierTests",
    ),
    Mutant(
        "what was let go may come back", WARM + "WarmWriter.swift", "ledger.letGo.isNone {", "true {", "WarmTierTests"
    ),
    Mutant(
        "the warm tier grows past its maximum", WARM + "WarmWriter+Room.swift",
        "        while chargedBytes + bytes > limit {", "        while chargedBytes > limit {", "WarmTierTests",
    ),
    Mutant(
        "a distrusted copy is read", TIERS + "Warm/WarmChanges.swift", "(isDistrusted ? .absent : nil,", "(nil,",
        "TiersTests|IntegrationTests.*Full|SimulationTests",
    ),
    Mutant(
        "a change that failed is not distrusted", TIERS + "Warm/WarmChanges.swift",
        "            for key in failed where table.waiting[key] == nil { table.distrust(key, now: now) }\n", "",
        "TiersTests|SimulationTests",
    ),
    # Reading and writing.
    Mutant(
        "a late answer fills over a newer write", "Sources/LocalTier/LocalTier+Write.swift",
        "            let isUnchanged =\n                shard.fills[slot] == generation "
        "&& shard.state.pointee.fillGeneration == shardGeneration\n",
        "            let isUnchanged = true || generation == shardGeneration\n",
        "LocalTierTests|TiersTests",
    ),
    Mutant(
        "a read joins one that was asked before a write", TIERS + "Writes.swift",
        "                tiers.flights[key] = nil\n", "", "TiersTests|SimulationTests",
    ),
    Mutant(
        "a strong read is answered from memory", TIERS + "Tiers+Read.swift",
        "        if !(isStrong && authority == .redis), let copy", "        if let copy", "TiersTests",
    ),
    Mutant(
        "bounded is answered past its bound", TIERS + "Judgement.swift",
        "verifiedAt.advanced(byMilliseconds: maxStaleness.milliseconds))",
        "verifiedAt.advanced(byMilliseconds: 2 * maxStaleness.milliseconds))",
        "TiersTests|SimulationTests",
    ),
    Mutant(
        "a suspect copy is given to Redis", TIERS + "Tiers+Fetch.swift",
        "&& !copy.isSuspect && mayPromote(copy):", "&& mayPromote(copy):",
        "TiersTests|SimulationTests",
    ),
    Mutant(
        "a read goes past what waits in the journal", TIERS + "Tiers+Fetch.swift",
        "        guard let value = journal?.pending.value(of: flight.key) else { return false }\n",
        "        guard let value = journal?.pending.value(of: flight.key), flight.waiters.isEmpty else { return false }\n",
        "TiersTests|SimulationTests",
    ),
    # The journal and its replay.
    Mutant(
        "an INCR that may have been done is journaled", TIERS + "Outage/Tiers+Outage.swift",
        '            return wasSent ? "; it must not be done twice, so it is not kept for later" : nil\n',
        "            return nil\n", "TiersTests|SimulationTests",
    ),
    Mutant(
        "connections in doubt are not ended", TIERS + "DoubtfulClients.swift",
        "        guard failure.mayHaveBeenSent, let client = failure.client else { return }\n",
        "        guard failure.mayHaveBeenSent, failure.client != nil, let client = Optional<RedisClient>.none else { return }\n",
        "TiersTests|SimulationTests",
    ),
    Mutant(
        "the replay forgets its marker", TIERS + "Outage/ReplayScript.swift",
        "          local isDone, skip, met, errors = tonumber(name) <= last, false, {}, {}",
        "          local isDone, skip, met, errors = false, false, {}, {}",
        "IntegrationTests|SimulationTests",
    ),
    Mutant(
        "the replay overwrites blindly", TIERS + "Outage/ReplayScript.swift", "if rule == 'keep' then skip = true end", "",
        "IntegrationTests.*Conflict|SimulationTests",
    ),
    Mutant(
        "a settlement counts before it is durable", TIERS + "Outage/JournalKeeper.swift",
        "try journal.commit(synchronously: sync == .always || settlesNow, now: now)",
        "try journal.commit(synchronously: false, now: now)", "TiersTests|SimulationTests",
    ),
    Mutant(
        "entries of one key leave out of order", TIERS + "Outage/PendingWrites.swift",
        "                    for next in chain.queue.dropFirst() {", "                    for next in chain.queue.dropFirst().reversed() {",
        "TiersTests|SimulationTests",
    ),
    # The breaker.
    Mutant(
        "one failure more than allowed", "Sources/Resilience/BreakerSide.swift",
        "        if consecutiveFailures >= configuration.consecutiveFailures {",
        "        if consecutiveFailures > configuration.consecutiveFailures {", "ResilienceTests",
    ),
    Mutant(
        "one probe more than allowed", "Sources/Resilience/BreakerSide.swift",
        "issued < configuration.probes else { return nil }", "issued <= configuration.probes else { return nil }",
        "ResilienceTests",
    ),
    Mutant(
        "results of an earlier generation count", "Sources/Resilience/Breaker.swift",
        "        if permit.readGeneration == read.generation, read.phase == .closed,", "        if read.phase == .closed,",
        "ResilienceTests",
    ),
    Mutant(
        "a probe that is never answered leaves it half-open", "Sources/Resilience/BreakerSide.swift",
        "            guard issued > succeeded, now >= deadline else { return nil }\n            return open(.probeTimedOut",
        "            guard issued < succeeded, now >= deadline else { return nil }\n            return open(.probeTimedOut",
        "ResilienceTests",
    ),
    # Records.
    Mutant(
        "an older fence writes", "Sources/State/Records/RecordWrite+Perform.swift", "fence < newest {", "fence < newest - 1 {",
        "StateTests",
    ),
    Mutant(
        "a swap does not compare who wrote", TIERS + "Records/RecordSwap.swift",
        " or string.sub(operations, 1, #ARGV[2]) ~= ARGV[2] then", " then", "TiersTests|IntegrationTests.*Record",
    ),
    # Bytes.
    Mutant(
        "a late reply reaches the next request", "Sources/RedisTier/RedisConnection.swift",
        "                places[index].completion = nil\n                abandoned += 1\n",
        "                places.remove(at: index)\n", "RedisTierTests",
    ),
)
