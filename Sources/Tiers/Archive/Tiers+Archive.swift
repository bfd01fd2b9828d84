// Archives as the rest of the tiers uses them: kept before a record lets turns go, read behind it, removed with it.

public import State

extension Tiers {
    /// Keeps turns on this host's disk, durably, before their record lets them go; hears at once where there are none.
    ///
    /// Those of a record that is being erased are not kept.
    func archive(
        _ turns: [Turns.Turn], of key: [UInt8], _ held: HeldValue, _ policy: Policy,
        completion: @escaping (Bool) -> Void
    ) {
        guard !turns.isEmpty else { return completion(true) }
        guard let warm, policy.tiers.contains(.warm), let id = held.archiveID, !share.erasures.covers(key) else {
            return completion(false)
        }
        warm.archive(
            LeavingTurns(
                key: key, id: id, turns: turns, expiresAt: held.expiresAt, staleFor: policy.staleSeconds(of: held)),
            completion: completion)
    }

    /// What this host's archive has of the conversation that a record holds, from the turn `from` on, or of its `last`
    /// so many turns; nil where the record has all that is asked for.
    public func readArchive(
        of key: [UInt8], _ held: HeldValue, from: Int64, last: Int?, completion: @escaping (ArchiveAnswer?) -> Void
    ) {
        guard let id = held.archiveID, let turns = held.record?.turns, let archive = turns.archive, archive.count > 0
        else { return completion(nil) }
        let start = max(from, last.map { turns.next - Int64($0) } ?? from)
        guard start < turns.items.first?.sequence ?? turns.next else { return completion(nil) }
        guard let warm, policies.policy(for: key).tiers.contains(.warm) else { return completion(.absent) }
        warm.readArchive(of: key, id, from: start, completion: completion)
    }

    /// Removes a record's archive from this host's disk.
    func removeArchive(of key: [UInt8]) {
        warm?.erase([ErasedKey(ArchiveKey.directory(of: key).bytes, leavesTombstone: false)]) { _ in }
    }
}
