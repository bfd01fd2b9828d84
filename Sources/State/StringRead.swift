// Reads of plain strings: from what a key holds to Redis's own reply.
//
// Source: Redis 7.0, t_string.c and expire.c, and https://redis.io/commands.

public import Primitives

/// A read of one key that leaves it as it is; pure.
public enum StringRead: Sendable, Equatable {
    /// GET.
    case get
    /// STRLEN.
    case length
    /// GETRANGE and SUBSTR: both ends inclusive, negative from the end.
    case range(Int64, Int64)
    /// TTL, PTTL, EXPIRETIME and PEXPIRETIME.
    case timeToLive(ExpiryUnit, absolute: Bool)
    /// TYPE.
    case type
    /// EXISTS and TOUCH: 1 or 0, to be summed over keys.
    case exists
    /// A command whose arguments are wrong in a way that Redis looks for after the key: this error, or nil where the
    /// key is absent and `nilIfAbsent`.
    case refusal([UInt8], nilIfAbsent: Bool)

    /// The reply for what the key holds; `held` must be alive, and no tombstone.
    public func reply(for held: HeldValue?, now: Timestamp) -> Reply {
        if let held, held.kind == .record {
            switch self {
            case .get, .length, .range: return StringWrite.wrongType
            case .type: return .status("hash")
            case .timeToLive, .exists, .refusal: break
            }
        }
        return reply(forString: held, now: now)
    }

    /// An element of MGET's reply: nil for a key of another type.
    public static func element(for held: HeldValue?) -> Reply {
        held.map { $0.kind == .record ? .null : .string($0.bytes) } ?? .null
    }

    private func reply(forString held: HeldValue?, now: Timestamp) -> Reply {
        switch self {
        case .get: held.map { .string($0.bytes) } ?? .null
        case .length: .integer(Int64(held?.bytes.count ?? 0))
        case .range(let start, let end): .string(held.map { Self.slice($0.bytes, start, end) } ?? [])
        case .timeToLive(let unit, let absolute): .integer(Self.life(of: held, unit, absolute, now))
        case .type: .status(held == nil ? "none" : "string")
        case .exists: .integer(held == nil ? 0 : 1)
        case .refusal(let text, let nilIfAbsent): held == nil && nilIfAbsent ? .null : .error(text)
        }
    }

    private static func slice(_ bytes: [UInt8], _ start: Int64, _ end: Int64) -> [UInt8] {
        let count = Int64(bytes.count)
        if start < 0 && end < 0 && start > end { return [] }
        let first = max(0, start < 0 ? start + count : start)
        let last = min(count - 1, max(0, end < 0 ? end + count : end))
        return first > last || count == 0 ? [] : Array(bytes[Int(first)...Int(last)])
    }

    private static func life(of held: HeldValue?, _ unit: ExpiryUnit, _ absolute: Bool, _ now: Timestamp) -> Int64 {
        guard let held else { return -2 }
        guard held.expiresAt != .never else { return -1 }
        let milliseconds = absolute ? held.expiresAt.milliseconds : max(0, held.expiresAt.milliseconds(since: now))
        switch unit {
        case .milliseconds: return milliseconds
        // Rounded to the nearest second, the time as well as the duration, as Redis does.
        case .seconds: return milliseconds / 1000 + (milliseconds % 1000 >= 500 ? 1 : 0)
        }
    }
}

/// The unit of a time in a command.
public enum ExpiryUnit: Sendable, Equatable {
    case seconds, milliseconds
}
