// A tier with strings for keys and values, as tests want it.

import LocalTier
import Primitives

/// Runs `body` with the bytes of a string.
func withBytes<R>(_ text: String, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    var text = text
    return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
}

func withKey<R>(_ key: String, _ body: (UnsafeRawBufferPointer, KeyHash) -> R) -> R {
    withBytes(key) { body($0, KeyHash($0)) }
}

func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

/// What a read saw.
struct Seen: Equatable {
    var value: String
    var freshness: Freshness
    var metadata: EntryMetadata
    var isExtensionDue: Bool
}

extension LocalTier {
    func put(_ key: String, _ value: String, _ metadata: EntryMetadata = EntryMetadata(), now: Int64 = 1) -> PutResult {
        withKey(key) { key, hash in
            withBytes(value) { put(key, hash: hash, value: $0, metadata: metadata, now: at(now)) }
        }
    }

    func fill(
        _ key: String, _ value: String, _ metadata: EntryMetadata = EntryMetadata(), now: Int64 = 1,
        token: consuming FillToken
    ) -> PutResult {
        // A closure may not consume what it captures, but it may empty an optional.
        var token = Optional(token)
        return withKey(key) { key, hash in
            withBytes(value) {
                fill(key, hash: hash, value: $0, metadata: metadata, now: at(now), token: token.take()!)
            }
        }
    }

    func beginFill(_ key: String) -> FillToken { beginFill(withKey(key) { $1 }) }

    func read(_ key: String, now: Int64 = 1) -> Seen? {
        withKey(key) { read($0, hash: $1, now: at(now)) { Seen($0) } }
    }

    func peek(_ key: String, now: Int64 = 1) -> Seen? {
        withKey(key) { peek($0, hash: $1, now: at(now)) { Seen($0) } }
    }

    func update(
        _ key: String, now: Int64 = 1, cancelsFills: Bool = true, _ change: (inout EntryMetadata) -> Void
    ) -> Bool {
        withKey(key) { update($0, hash: $1, now: at(now), cancelsFills: cancelsFills, change) } != nil
    }

    @discardableResult func remove(_ key: String) -> Bool { withKey(key) { remove($0, hash: $1) } }
    @discardableResult func invalidate(_ key: String) -> Bool { withKey(key) { invalidate($0, hash: $1) } }
}

extension Seen {
    init(_ entry: borrowing LocalEntry) {
        let length = entry.valueLength
        var bytes = [UInt8](repeating: 0, count: length)
        bytes.withUnsafeMutableBytes { target in
            if length > 0 { entry.copyValue(to: target.baseAddress!) }
        }
        self.init(
            value: String(decoding: bytes, as: UTF8.self), freshness: entry.freshness, metadata: entry.metadata,
            isExtensionDue: entry.isExtensionDue)
    }
}
