// Values by key for one unit of work, which names one key as a rule and thousands as an exception.

internal import Primitives

/// A small map from keys to values, in the order in which the keys were first named.
///
/// DESIGN: the first key stands in the value itself, so that a map of one key allocates nothing. Up to `listMax` keys
/// are looked for one after another, which costs no hash and no table; beyond that by a table of places. Complexity:
/// O(1) for each look-up.
struct FewKeys<Value> {
    typealias Element = (key: [UInt8], value: Value)

    private(set) var first: Element?
    /// The others.
    private var rest: [Element] = []
    /// Where each key stands in `rest`; filled only beyond `listMax` keys.
    private var places: [HashedKey: Int] = [:]

    static var listMax: Int { 8 }

    init() {}

    init(_ key: [UInt8], _ value: Value) { first = (key, value) }

    var isEmpty: Bool { first == nil }
    var count: Int { first == nil ? 0 : 1 + rest.count }

    private func place(of key: [UInt8]) -> Int? {
        if rest.isEmpty { return nil }
        guard rest.count > Self.listMax else { return rest.firstIndex { $0.key == key } }
        return places[HashedKey(key)]
    }

    subscript(key: [UInt8]) -> Value? {
        guard let first else { return nil }
        if first.key == key { return first.value }
        return place(of: key).map { rest[$0].value }
    }

    /// Names a key, or gives one that was named another value.
    mutating func set(_ key: [UInt8], _ value: Value) {
        guard let first, first.key != key else {
            self.first = (first?.key ?? key, value)
            return
        }
        if let place = place(of: key) {
            rest[place].value = value
            return
        }
        rest.append((key, value))
        if rest.count == Self.listMax + 1 {
            for (index, element) in rest.enumerated() { places[HashedKey(element.key)] = index }
        } else if rest.count > Self.listMax {
            places[HashedKey(key)] = rest.count - 1
        }
    }

    /// All of it, in order.
    var elements: [Element] {
        guard let first else { return [] }
        return [first] + rest
    }
}

extension FewKeys: Sendable where Value: Sendable {}
