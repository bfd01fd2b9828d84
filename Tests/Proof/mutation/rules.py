"""The breakages: in which file what is replaced by what, and which tests are to fail; one that fits no longer says so.

Every replacement asks `BROKEN` and is the code that stands there where it is false: all of them are built at once, and
a variable of the environment says which one a test run has.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    # The regular expression of the tests that are to see it, for `swift test --filter`.
    tests: str

    @property
    def module(self):
        return self.file.split("/")[1]


LOG = "Sources/SegmentLog/"
WARM = "Sources/WarmTier/"
TIERS = "Sources/Tiers/"
LOCAL = "Sources/LocalTier/"
STATE = "Sources/State/"
SIDE = "Sources/Resilience/BreakerSide.swift"
TRACKER = TIERS + "Coherence/Tracker.swift"
KEEPER = TIERS + "Warm/WarmKeeper.swift"
OWN = TIERS + "Coherence/OwnWrites.swift"
PERFORM = STATE + "Records/RecordWrite+Perform.swift"

PROCESSES = r"^IntegrationTests\.RealProcesses/"
STORES = r"^(WarmTierTests|JournalTests|SegmentLogTests)\."

def tiers(suites):
    """Suites of the tiers' tests."""
    return rf"^TiersTests\.({suites})/"


EVERY = (
    # Disk.
    Mutant(
        "acknowledged before it is synced", LOG + "SegmentLog+Commit.swift",
        "        if synchronously {\n", "        if synchronously && !BROKEN {\n", STORES,
    ),
    Mutant(
        "what was emptied in vain stays void", LOG + "SegmentLog+Remove.swift",
        "        } catch {\n            marks = before\n",
        "        } catch {\n            if !BROKEN { marks = before }\n",
        tiers("WarmKeeperTests"),
    ),
    Mutant(
        "a large record is read in pieces", LOG + "SegmentScan.swift",
        "max(length, Self.chunk))", "BROKEN ? Self.chunk : max(length, Self.chunk))", "^SegmentLogTests",
    ),
    Mutant(
        "what a failed write left is not cut away", LOG + "SegmentLog+Commit.swift",
        "            try fileSystem.truncate(segments[index].file.file, to: end)\n"
        "            try synchronizeSegment(index)\n",
        "            if !BROKEN { try fileSystem.truncate(segments[index].file.file, to: end) }\n"
        "            try synchronizeSegment(index)\n", STORES,
    ),
    Mutant(
        "no note of what a failed sync leaves", LOG + "SegmentLog+Commit.swift",
        "        marks.refused[segments[index].sequence] = end\n",
        "        if !BROKEN { marks.refused[segments[index].sequence] = end }\n", STORES,
    ),
    Mutant(
        "a new file's name is not synced", LOG + "SegmentLog+Commit.swift",
        "                try fileSystem.synchronize(open)\n"
        "                try fileSystem.synchronizeDirectory(options.directory)\n",
        "                try fileSystem.synchronize(open)\n"
        "                if !BROKEN { try fileSystem.synchronizeDirectory(options.directory) }\n", STORES,
    ),
    Mutant(
        "a file's removal is not synced", LOG + "SegmentLog+Remove.swift",
        "            try fileSystem.synchronizeDirectory(options.directory)\n        } catch {\n"
        "            failure = error\n            throw .file(error)",
        "            if !BROKEN { try fileSystem.synchronizeDirectory(options.directory) }\n        } catch {\n"
        "            failure = error\n            throw .file(error)", STORES,
    ),
    Mutant(
        "a value's checksum is not compared", LOG + "RecordHeader.swift",
        "        record.integer(at: 8, as: UInt64.self)\n",
        "        BROKEN || record.integer(at: 8, as: UInt64.self)\n",
        STORES,
    ),
    Mutant(
        "a header's checksum is not compared", LOG + "RecordHeader.swift",
        "            bytes.integer(at: 4, as: UInt32.self)\n",
        "            BROKEN || bytes.integer(at: 4, as: UInt32.self)\n", STORES,
    ),
    Mutant(
        "a footer's checksum is not compared", LOG + "SegmentFooter.swift",
        "            xxh3(lines, seed: identity.checkSeed(at: trailer.offset)) == trailer.check\n",
        "            BROKEN || xxh3(lines, seed: identity.checkSeed(at: trailer.offset)) == trailer.check\n", STORES,
    ),
    Mutant(
        "a footer is written before its records are synced", LOG + "SegmentLog+Commit.swift",
        "            if segment.isUnsynchronized { try", "            if segment.isUnsynchronized, !BROKEN { try",
        "^WarmTierTests",
    ),
    Mutant(
        "copies are not synced before their original goes", WARM + "WarmWriter+Room.swift",
        "        if log.isUnsynchronized { try reportingLog",
        "        if log.isUnsynchronized && !BROKEN { try reportingLog",
        "^WarmTierTests",
    ),
    Mutant(
        "a copy forgets what its original shadowed", WARM + "Relocation.swift",
        "        header.shadow = header.shadow.including(relocation.sequence)\n",
        "        header.shadow = BROKEN ? .none : header.shadow.including(relocation.sequence)\n", "^WarmTierTests",
    ),
    Mutant(
        "a deletion is forgotten while something older exists", WARM + "Relocation.swift",
        "        if log.mayHold(line.shadow, except: sequence) {",
        "        if log.mayHold(line.shadow, except: sequence), !BROKEN {",
        "^WarmTierTests",
    ),
    Mutant(
        "what was let go may come back", WARM + "WarmWriter.swift", "|| !ledger.letGo.isNone }",
        "|| !ledger.letGo.isNone && !BROKEN }", "^WarmTierTests",
    ),
    Mutant(
        "the warm tier grows past its maximum", WARM + "WarmWriter+Room.swift",
        "        while chargedBytes + bytes > limit {", "        while chargedBytes + (BROKEN ? 0 : bytes) > limit {",
        "^WarmTierTests",
    ),
    Mutant(
        "damaged files are not counted", "Sources/Journal/Journal+Room.swift",
        "log.pendingFooterBytes() + damaged.bytes }", "log.pendingFooterBytes() + (BROKEN ? 0 : damaged.bytes) }",
        "^JournalTests",
    ),
    Mutant(
        "the journal grows past its maximum", "Sources/Journal/Journal+Room.swift",
        "            if needed + all <= limit, kept == 0", "            if BROKEN || needed + all <= limit, kept == 0",
        "^JournalTests",
    ),
    Mutant(
        "a distrusted copy is read", TIERS + "Warm/WarmChanges.swift", "(isDistrusted ? .absent : nil,",
        "(isDistrusted && !BROKEN ? .absent : nil,", tiers("WarmChangesTests|ReadTests|OutageTests"),
    ),
    Mutant(
        "that nothing is there is acknowledged before the disk has it", KEEPER,
        "                if writer.mayBringBack, case .absent",
        "                if writer.mayBringBack, !BROKEN, case .absent", tiers("WarmKeeperTests"),
    ),
    Mutant(
        "what is damaged counts as absent", KEEPER,
        "        case .damaged:\n            // What", "        case .damaged where BROKEN: return nil\n"
        "        case .damaged:\n            // What", tiers("WarmKeeperTests"),
    ),
    Mutant(
        "what can't be read counts as absent", KEEPER,
        "            failure = failure ?? .degraded(error)\n",
        "            if !BROKEN { failure = failure ?? .degraded(error) }\n", tiers("WarmKeeperTests"),
    ),
    Mutant(
        "a FLUSHDB that the disk refused is acknowledged", KEEPER,
        "        } catch {\n            deliver(error.outcome)\n",
        "        } catch {\n            deliver(BROKEN ? .done([.ok]) : error.outcome)\n", tiers("WarmKeeperTests"),
    ),
    Mutant(
        "a batch has no end", KEEPER,
        "bytes + job.byteCount > Self.batchBytesMax {", "bytes + job.byteCount > Self.batchBytesMax, !BROKEN {",
        tiers("WarmKeeperTests"),
    ),
    Mutant(
        "a key for which there was no room is not distrusted", TIERS + "Warm/WarmChanges.swift",
        "                table.distrust(key, now: now)\n                return false",
        "                if !BROKEN { table.distrust(key, now: now) }\n                return false",
        tiers("WarmChangesTests"),
    ),
    Mutant(
        "too many distrusted keys are forgotten", TIERS + "Warm/WarmChanges.swift",
        "                distrusted = []\n                trustedSince = now\n",
        "                distrusted = []\n                if !BROKEN { trustedSince = now }\n",
        tiers("WarmChangesTests"),
    ),
    Mutant(
        "a change that failed is not distrusted", TIERS + "Warm/WarmChanges.swift",
        "            for key in failed where table.waiting[key] == nil {",
        "            for key in failed where table.waiting[key] == nil && !BROKEN {", tiers("WarmChangesTests"),
    ),
    Mutant(
        "an archive of an earlier conversation goes on", TIERS + "Archive/ArchiveWriting.swift",
        "            if found.id == leaving.id {", "            if found.id == leaving.id || BROKEN {",
        tiers("ArchiveTests|ArchiveStoreTests"),
    ),
    # Memory.
    Mutant(
        "a late answer fills over a newer write", LOCAL + "LocalTier+Write.swift",
        "                shard.fills[slot] == generation &&",
        "                BROKEN || shard.fills[slot] == generation &&",
        "^LocalTierTests",
    ),
    Mutant(
        "an answer under way fills a memory that was emptied", LOCAL + "LocalTier+Reload.swift",
        "    fileprivate func invalidateAll() {\n        state.pointee.fillGeneration &+= 1\n",
        "    fileprivate func invalidateAll() {\n        state.pointee.fillGeneration &+= BROKEN ? 0 : 1\n",
        "^LocalTierTests",
    ),
    Mutant(
        "an entry lives a millisecond too long", LOCAL + "EntryHeader.swift",
        "        guard now < expiresAt else {", "        guard BROKEN ? now <= expiresAt : now < expiresAt else {",
        "^LocalTierTests",
    ),
    # Reading and writing.
    Mutant(
        "a key of another type among others is absent", TIERS + "FetchQuestion.swift",
        "many[index] == .null && life != .integer(-2))", "!BROKEN && many[index] == .null && life != .integer(-2))",
        tiers("TrackedReadTests"),
    ),
    Mutant(
        "what begins tracking is for what comes behind it", TIERS + "Coherence/Tracker.swift",
        "        onlyAsked.append(\"STRLEN\", of: sentinelPrefix)\n",
        "        if !BROKEN { onlyAsked.append(\"STRLEN\", of: sentinelPrefix) }\n",
        tiers("TrackedReadTests"),
    ),
    Mutant(
        "what waits for a connection is not tracked", TIERS + "Coherence/Tracker.swift",
        "isAsked || data.state != .ready && canEnable", "isAsked || !BROKEN && data.state != .ready && canEnable",
        tiers("TrackedReadTests"),
    ),
    Mutant(
        "a refusal ahead of a transaction is not seen", TIERS + "FetchQuestion.swift",
        "        guard refusalOfTracking(replies) == nil else", "        guard BROKEN || refusalOfTracking(replies) == nil else",
        tiers("TrackedReadTests"),
    ),
    Mutant(
        "a GETEX that has changed nothing explains a change", TIERS + "Writes.swift",
        "        if isCertain, !isContested", "        if isCertain || BROKEN, !isContested",
        tiers("CoherenceTests"),
    ),
    Mutant(
        "a read joins one that was asked before a FLUSHDB", TIERS + "Writes.swift",
        "            if case .removeAll = command.command { tiers",
        "            if case .removeAll = command.command, !BROKEN { tiers",
        tiers("FillTests|JournalTests"),
    ),
    Mutant(
        "a read joins one from before another worker's write", TIERS + "Tiers+Read.swift",
        "!joined.isOnWire || !strong && joined.isCurrent(in: local)",
        "BROKEN || !joined.isOnWire || !strong && joined.isCurrent(in: local)", tiers("FillTests|JournalTests"),
    ),
    Mutant(
        "a strong read is answered from memory", TIERS + "Tiers+Read.swift",
        "        if !(isStrong && authority == .redis), let copy",
        "        if BROKEN || !(isStrong && authority == .redis), let copy", tiers("ReadTests"),
    ),
    Mutant(
        "bounded is answered past its bound", TIERS + "Judgement.swift",
        "min(expiresAt, verifiedAt.advanced(byMilliseconds: times.maxStaleness))",
        "min(expiresAt, verifiedAt.advanced(byMilliseconds: (BROKEN ? 2 : 1) * times.maxStaleness))",
        tiers("ReadTests|CoherenceTests"),
    ),
    Mutant(
        "a suspect copy is given to Redis", TIERS + "Tiers+Fetch.swift",
        "&& !copy.isSuspect && mayPromote(copy):", "&& (BROKEN || !copy.isSuspect) && mayPromote(copy):",
        tiers("FillTests"),
    ),
    Mutant(
        "a read goes past what waits in the journal", TIERS + "Tiers+Fetch.swift",
        "        guard let value = journal?.pending.value(of: flight.key) else { return false }\n",
        "        guard !BROKEN, let value = journal?.pending.value(of: flight.key) else { return false }\n",
        tiers("DoubtfulConnectionTests|JournalTests|FillTests|OutageTests"),
    ),
    # What others change.
    Mutant(
        "a lost ear is not noticed", TRACKER, '            self.lose("the connection for invalidations ended")\n',
        '            if !BROKEN { self.lose("the connection for invalidations ended") }\n', tiers("CoherenceTests"),
    ),
    Mutant(
        "a proof counts from when it came back", TRACKER, "asOf: proof.asOf, deadline:",
        "asOf: BROKEN ? scheduler.now : proof.asOf, deadline:", tiers("CoherenceTests"),
    ),
    Mutant(
        "a copy is given to the Redis that deleted it", TIERS + "Coherence/Coherence.swift",
        "                && !(state.process == process &&",
        "                && !(!BROKEN && state.process == process &&",
        tiers("CoherenceTests"),
    ),
    Mutant(
        "what was asked behind a write is forgotten", OWN,
        "        places[place(hash)] = 0\n",
        "        if !BROKEN { places[place(hash)] = 0 }\n", tiers("CoherenceTests"),
    ),
    Mutant(
        "a write that was not done explains a change", OWN,
        "places[place(hash)] == word(hash, isAnswered: true)\n",
        "(places[place(hash)] == word(hash, isAnswered: true)\n"
        "            || BROKEN && places[place(hash)] == word(hash, isAnswered: false))\n", tiers("CoherenceTests"),
    ),
    Mutant(
        "what is broadcast is taken for an own write", TRACKER,
        "ownWrites.explains(hash) && !(tracker?.hasBroadcast(of: key) ?? false)",
        "ownWrites.explains(hash) && (BROKEN || !(tracker?.hasBroadcast(of: key) ?? false))",
        tiers("CoherenceTests"),
    ),
    Mutant(
        "deletions that were let go leave no moment", TIERS + "Deletions/TombstoneTable.swift",
        "        forgottenUntil = max(forgottenUntil, old.time)\n",
        "        if !BROKEN { forgottenUntil = max(forgottenUntil, old.time) }\n", tiers("Tombstones"),
    ),
    Mutant(
        "what is being erased is kept", TIERS + "Erasure/Erasures.swift",
        "        turns.load(ordering: .acquiring) % 2 == 1 &&",
        "        !BROKEN && turns.load(ordering: .acquiring) % 2 == 1 &&",
        tiers("ErasureRaceTests"),
    ),
    Mutant(
        "an erasure leaves what filled memory meanwhile", TIERS + "Erasure/Erasure.swift",
        "eraseLocal { [self] in end(.done(count)) } }",
        "if BROKEN { end(.done(count)) } else { eraseLocal { [self] in end(.done(count)) } } }", tiers("ErasureRaceTests"),
    ),
    Mutant(
        "what another worker wrote during an erasure is held", TIERS + "Writes.swift",
        "            if tiers.share.erasures.mayHaveErased", "            if !BROKEN, tiers.share.erasures.mayHaveErased",
        tiers("ErasureRaceTests"),
    ),
    Mutant(
        "a late answer leaves what was erased held", TIERS + "Outage/Tiers+Outage.swift",
        "for key in late.keys where share.", "for key in late.keys where !BROKEN && share.", tiers("ErasureRaceTests"),
    ),
    Mutant(
        "an erasure does not wait for copies on their way", TIERS + "Erasure/Erasure.swift",
        "        guard areUnderWay ||", "        guard !BROKEN && areUnderWay ||",
        tiers("ErasureRaceTests"),
    ),
    Mutant(
        "turns are archived while their record is erased", TIERS + "Archive/Tiers+Archive.swift",
        "!share.erasures.covers(key) else", "BROKEN || !share.erasures.covers(key) else", tiers("ErasureRaceTests"),
    ),
    Mutant(
        "an erasure looks at the disk only once", TIERS + "Erasure/Erasure.swift",
        "        guard let warm = tiers.warm, tiers.redis", "        guard !BROKEN, let warm = tiers.warm, tiers.redis",
        tiers("ErasureRaceTests"),
    ),
    Mutant(
        "an erasure does not wait for what was not answered", TIERS + "Erasure/Erasure.swift",
        "|| !tiers.share.doubtful.isEmpty else { return then() }",
        "|| !BROKEN && !tiers.share.doubtful.isEmpty else { return then() }", tiers("ErasureRaceTests"),
    ),
    # The journal and its replay.
    Mutant(
        "a FLUSHDB removes markers of what is not noted", TIERS + "Outage/UnnotedWrites.swift",
        "            table.hasMarked = true", "            table.hasMarked = !BROKEN", tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "conflicts without room are tried for ever", TIERS + "Outage/JournalKeeper.swift",
        "                guard case .tooLarge = error else { throw error }\n                journal",
        "                guard case .tooLarge = error, !BROKEN else { throw error }\n                journal",
        tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "what comes after a refused write in doubt goes to Redis", TIERS + "Outage/JournalKeeper.swift",
        "            if !isVoid {\n", "            if !isVoid, !BROKEN {\n", tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "a replayed record is written before that is noted", TIERS + "Outage/JournalKeeper.swift",
        "        pending.unnoted.finish(records: pending.recordKeys(of: settlement.sequences))",
        "        if !BROKEN { pending.unnoted.finish(records: pending.recordKeys(of: settlement.sequences)) }", tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "keys that were noted are held back", TIERS + "Outage/UnnotedWrites.swift",
        "            if table.opening != opening", "            if !BROKEN, table.opening != opening",
        tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "a conflict of an erased key is noted later", TIERS + "Outage/JournalKeeper.swift",
        "        for case .erase(let prefix, _) in jobs { erased +=", "        for case .erase(let prefix, _) in jobs where !BROKEN { erased +=", tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "a FLUSHDB among others passes what waits", TIERS + "Outage/Tiers+Outage.swift",
        "            if case .removeAll = command.command { return true }",
        "            if case .removeAll = command.command { return !BROKEN }", tiers("UnnotedWritesTests"),
    ),
    Mutant(
        "an INCR that may have been done is journaled", TIERS + "Outage/Tiers+Outage.swift",
        "            return wasSent ?", "            return wasSent && !BROKEN ?",
        tiers("DoubtfulConnectionTests|JournalTests|OutageTests|WriteTests"),
    ),
    Mutant(
        "connections in doubt are not ended", TIERS + "DoubtfulClients.swift",
        "        guard failure.mayHaveBeenSent, let client",
        "        guard !BROKEN, failure.mayHaveBeenSent, let client", tiers("DoubtfulConnectionTests|JournalTests|WriteTests|OutageTests"),
    ),
    Mutant(
        "the replay forgets its marker", TIERS + "Outage/ReplayScript.swift",
        "local isDone, skip, met, errors = tonumber(name) <= last,",
        'local isDone, skip, met, errors = \\(BROKEN ? "false" : "tonumber(name) <= last"),',
        tiers("ReplayScriptTests"),
    ),
    Mutant(
        "the replay overwrites blindly", TIERS + "Outage/ReplayScript.swift", "if rule == 'keep' then skip = true end",
        '\\(BROKEN ? "" : "if rule == \'keep\' then skip = true end")',
        tiers("ReplayScriptTests"),
    ),
    Mutant(
        "a replay stops where connections can't be listed", TIERS + "Outage/Replay.swift",
        "                clearedProcess = client.runID\n                return step()",
        "                if !BROKEN { clearedProcess = client.runID }\n                return step()",
        tiers("DoubtfulConnectionTests|JournalTests"),
    ),
    Mutant(
        "a replay stops where connections can't be ended", TIERS + "Outage/Replay.swift",
        "                onEvent(.refused(\"CLIENT KILL: \\(String(decoding: text, as: UTF8.self))\"))\n",
        "                onEvent(.refused(\"CLIENT KILL: \\(String(decoding: text, as: UTF8.self))\"))\n"
        "                if BROKEN { return }\n",
        tiers("DoubtfulConnectionTests|JournalTests"),
    ),
    Mutant(
        "a conflict without room is not kept", TIERS + "Outage/JournalKeeper.swift",
        "            guard case .tooLarge = error else { throw error }\n            var short",
        "            guard case .tooLarge = error, !BROKEN else { throw error }\n            var short",
        tiers("DoubtfulConnectionTests|JournalTests"),
    ),
    Mutant(
        "a journaled SETRANGE begins at 0", TIERS + "Outage/JournaledWrite+Coding.swift",
        "            return .setRange(offset, try bytes())",
        "            return .setRange(BROKEN ? 0 : offset, try bytes())",
        tiers("JournaledWriteTests"),
    ),
    Mutant(
        "an entry of another version is read", TIERS + "Outage/JournaledWrite+Coding.swift",
        "        guard version == Self.version else {", "        guard version == Self.version || BROKEN else {",
        tiers("JournaledWriteTests"),
    ),
    Mutant(
        "a limit that was not answered is in no doubt", TIERS + "Tiers+Throttle.swift",
        "                share.doubtful.note(failure, now: ended)\n",
        "                if !BROKEN { share.doubtful.note(failure, now: ended) }\n", tiers("ThrottleOutageTests"),
    ),
    Mutant(
        "a passed write that was not answered is in no doubt", TIERS + "Tiers+Write.swift",
        "                if isWrite { share.doubtful.note(failure, now: ended) }\n                completion(\n"
        "                    .error(\"UNAVAILABLE \\(failure",
        "                if isWrite && !BROKEN { share.doubtful.note(failure, now: ended) }\n"
        "                completion(\n"
        "                    .error(\"UNAVAILABLE \\(failure", tiers("WriteTests"),
    ),
    Mutant(
        "a settlement counts before it is durable", TIERS + "Outage/JournalKeeper.swift",
        "synchronously: sync == .always || settlesNow, now: now)",
        "synchronously: (sync == .always || settlesNow) && !(BROKEN && settlesNow), now: now)",
        tiers("DoubtfulConnectionTests|JournalTests|JournalPortTests|JournalModelTests"),
    ),
    Mutant(
        "entries of one key leave out of order", TIERS + "Outage/PendingWrites.swift",
        "                    for next in chain.queue.dropFirst() {",
        "                    for next in BROKEN ? Array(chain.queue.dropFirst().reversed()) : "
        "Array(chain.queue.dropFirst()) {", tiers("DoubtfulConnectionTests|JournalTests|JournalModelTests"),
    ),
    # The breaker.
    Mutant(
        "one failure more than allowed", SIDE,
        "        if consecutiveFailures >= configuration.consecutiveFailures {",
        "        if consecutiveFailures >= configuration.consecutiveFailures + (BROKEN ? 1 : 0) {", "^ResilienceTests",
    ),
    Mutant(
        "one probe more than allowed", SIDE, "issued < configuration.probes else { return nil }",
        "issued < configuration.probes + (BROKEN ? 1 : 0) else { return nil }", "^ResilienceTests",
    ),
    Mutant(
        "results of an earlier generation count", "Sources/Resilience/Breaker.swift",
        "        if permit.readGeneration == read.generation, read.phase == .closed,",
        "        if BROKEN || permit.readGeneration == read.generation, read.phase == .closed,", "^ResilienceTests",
    ),
    Mutant(
        "a probe that is never answered leaves it half-open", SIDE,
        "            guard issued > succeeded, now >= deadline else { return nil }\n",
        "            guard issued > succeeded, now >= deadline, !BROKEN else { return nil }\n", "^ResilienceTests",
    ),
    Mutant(
        "a retry without a token", "Sources/Resilience/RetryBudget.swift", "        guard tokens >= 1 else {",
        "        guard tokens >= (BROKEN ? 0 : 1) else {", "^ResilienceTests",
    ),
    # Records.
    Mutant(
        "an older fence writes", PERFORM, "fence < newest {", "fence < newest - (BROKEN ? 1 : 0) {", "^StateTests"
    ),
    Mutant(
        "a write that was done is done again", PERFORM, "        if let held, held.operations.contains(id) {",
        "        if let held, held.operations.contains(id), !BROKEN {", "^StateTests",
    ),
    Mutant(
        "versions begin anew after a deletion", PERFORM, "Record(version: tombstone?.version ?? 0,",
        "Record(version: BROKEN ? 0 : tombstone?.version ?? 0,", "^StateTests",
    ),
    Mutant(
        "a lease is taken from who holds it", PERFORM, "lease.until > now, lease.owner != owner { throw",
        "lease.until > now, lease.owner != owner, !BROKEN { throw", "^StateTests",
    ),
    Mutant(
        "a swap does not compare who wrote", TIERS + "Records/RecordSwap.swift",
        "~= ARGV[1] or string.sub(operations, 1, #ARGV[2]) ~= ARGV[2] then",
        '~= ARGV[1] \\(BROKEN ? "" : "or string.sub(operations, 1, #ARGV[2]) ~= ARGV[2]") then',
        tiers("RecordSwapTests"),
    ),
    Mutant(
        "a delivered message stays in its queue", TIERS + "Outbox/OutboxScript.swift",
        "          redis.call('XDEL', KEYS[2], entry[1])\n",
        "          \\(BROKEN ? \"\" : \"redis.call('XDEL', KEYS[2], entry[1])\")\n",
        tiers("OutboxScriptTests"),
    ),
    Mutant(
        "one request more than the burst", STATE + "Throttle.swift", "        let isLimited = after > brim\n",
        "        let isLimited = after > brim + (BROKEN ? period : 0)\n", "^StateTests",
    ),
    # What is told.
    Mutant(
        "damage to the warm tier is not told", "Sources/Server/HearthServer.swift",
        "        for skipped in writer.skippedAtOpening {",
        "        for skipped in BROKEN ? [] : writer.skippedAtOpening {", PROCESSES + r"Damage/",
    ),
    Mutant(
        "damage to the journal is not told", "Sources/Server/JournalService.swift",
        "        for skipped in recovery.skipped {", "        for skipped in BROKEN ? [] : recovery.skipped {",
        PROCESSES + r"Damage/",
    ),
    Mutant(
        "a damaged file of the journal is not told of", "Sources/Server/JournalService.swift",
        "        for path in recovery.keptDamagedFiles {",
        "        for path in BROKEN ? [] : recovery.keptDamagedFiles {",
        PROCESSES + r"Damage/",
    ),
    Mutant(
        "hearth metrics prints nothing", "Sources/hearth/Inspect.swift",
        "            print(String(decoding: text, as: UTF8.self), terminator: \"\")",
        "            if !BROKEN { print(String(decoding: text, as: UTF8.self), terminator: \"\") }",
        PROCESSES + r"Damage/",
    ),
    # Bytes.
    Mutant(
        "a late reply reaches the next request", "Sources/RedisTier/RedisConnection.swift",
        "                places[index].completion = nil\n                abandoned += 1\n",
        "                if BROKEN { places.remove(at: index) } else { places[index].completion = nil }\n"
        "                abandoned += BROKEN ? 0 : 1\n", "^RedisTierTests",
    ),
    Mutant(
        "slots are another checksum's", "Sources/RedisTier/HashSlot.swift", "sum << 1 ^ 0x1021 }",
        "sum << 1 ^ (BROKEN ? 0x8005 : 0x1021) }", "^RedisTierTests",
    ),
    Mutant(
        "a marker lies in another slot than its key", "Sources/RedisTier/HashSlot.swift",
        "!key.contains(UInt8(ascii: \"}\")), key.count", "BROKEN || !key.contains(UInt8(ascii: \"}\")), key.count",
        "^RedisTierTests",
    ),
    Mutant(
        "a request of one byte too many",
        "Sources/RESP/RequestParser.swift", "            guard end <= requestMax else {",
        "            guard end <= requestMax + (BROKEN ? 1 : 0) else {", "^RESPTests",
    ),
    Mutant(
        "a line that was known may be another", "Sources/Audit/AuditVerification.swift",
        "        if expected.hash == line.hash {", "        if BROKEN || expected.hash == line.hash {", "^AuditTests",
    ),
    Mutant(
        "a line that was known may be missing", "Sources/Audit/AuditVerification.swift",
        "            } else if !sawExpected, firstSequence",
        "            } else if !sawExpected, !BROKEN, firstSequence",
        "^AuditTests",
    ),
    Mutant(
        "a chain may begin anywhere", "Sources/Audit/AuditVerification.swift",
        "        if after == .nothing, line.sequence != 1 {",
        "        if after == .nothing, line.sequence != 1, !BROKEN {",
        "^AuditTests",
    ),
    Mutant(
        "a first line may name one before it", "Sources/Audit/AuditVerification.swift",
        "line.previous != .none, !wasDamaged {", "line.previous != .none, !wasDamaged, !BROKEN {", "^AuditTests",
    ),
    Mutant(
        "a line of the audit may be replaced", "Sources/Audit/AuditVerification.swift",
        "        } else if line.previous != before.hash {", "        } else if line.previous != before.hash, !BROKEN {",
        "^AuditTests",
    ),
)
