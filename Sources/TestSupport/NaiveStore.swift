// What a store should hold, in the simplest way that can be right: a dictionary.

/// A dictionary of keys and values with expiry, against which a store is compared.
public struct NaiveStore: Sendable {
    public struct Entry: Equatable, Sendable {
        public var value: [UInt8]
        /// Milliseconds; nothing is returned from then on.
        public var keptUntil: Int64
    }

    /// The newest of each key; nil is a deletion.
    public private(set) var entries: [String: Entry?] = [:]

    public init() {}

    public mutating func put(_ key: String, _ value: [UInt8], keptUntil: Int64 = .max) {
        entries[key] = .some(Entry(value: value, keptUntil: keptUntil))
    }

    public mutating func delete(_ key: String) { entries[key] = .some(nil) }

    public mutating func deleteAll() { for key in entries.keys { entries[key] = .some(nil) } }

    public func value(_ key: String, now: Int64) -> [UInt8]? {
        guard case .some(.some(let entry)) = entries[key], now < entry.keptUntil else { return nil }
        return entry.value
    }
}
