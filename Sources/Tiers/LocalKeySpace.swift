// Local memory as the place where commands are performed: for keys that neither Redis nor disk may hold.

public import LocalTier
public import Primitives
public import State

/// Keys that live in local memory alone; what is evicted is gone.
struct LocalKeySpace: KeySpace {
    let local: LocalTier
    let policies: PolicyTable
    let now: Timestamp

    func read(_ key: [UInt8]) -> HeldValue? {
        key.withUnsafeBytes { key in
            local.read(key, hash: KeyHash(key), now: now) { Tiers.copy($0) }
        }.flatMap { copy in
            copy.isAbsent || copy.isExpired ? nil : copy.held
        }
    }

    func apply(_ change: Change, to key: [UInt8]) {
        local.hold(change, of: key, policy: policies.policy(for: key), authority: .local, now: now)
    }

    func countKeys() -> Int { local.statistics().entries }

    func removeAll() { local.removeAll() }
}

extension LocalTier {
    /// Holds what an authority within this process has decided on a key.
    public func hold(_ change: Change, of key: [UInt8], policy: Policy, authority: Authority, now: Timestamp) {
        key.withUnsafeBytes { key in
            let hash = KeyHash(key)
            switch change {
            case .none: break
            case .remove: remove(key, hash: hash)
            case .put(let value):
                guard policy.tiers.contains(.local), value.bytes.count <= policy.maxLocalValue else {
                    remove(key, hash: hash)
                    return
                }
                let metadata = policy.metadata(of: value, verifiedAt: now, authority: authority)
                value.bytes.withUnsafeBytes { bytes in
                    _ = put(key, hash: hash, value: bytes, metadata: metadata, now: now)
                }
            }
        }
    }
}
