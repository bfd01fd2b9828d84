// Values by key for one unit of work, which names one key as a rule and thousands as an exception.

internal import Primitives

/// A small map from keys to values, in the order in which the keys were first named.
///
/// DESIGN: up to `listMax` keys are looked for one after another, which costs no hash and no table; beyond that by a
/// table of places. Complexity: O(1) for each look-up.
struct FewKeys<Value> {
    private(set) var elements: [(key: [UInt8], value: Value)] = []
    /// Where each key stands; filled only beyond `listMax` keys.
    private var places: [HashedKey: Int] = [:]

    static var listMax: Int { 8 }

    var isEmpty: Bool { elements.isEmpty }
    var count: Int { elements.count }

    private func place(of key: [UInt8]) -> Int? {
        guard elements.count > Self.listMax else { return elements.firstIndex { $0.key == key } }
        return places[HashedKey(key)]
    }

    subscript(key: [UInt8]) -> Value? {
        guard let place = place(of: key) else { return nil }
        return elements[place].value
    }

    /// Names a key, or gives one that was named another value.
    mutating func set(_ key: [UInt8], _ value: Value) {
        if let place = place(of: key) {
            elements[place].value = value
            return
        }
        elements.append((key, value))
        if elements.count == Self.listMax + 1 {
            for (index, element) in elements.enumerated() { places[HashedKey(element.key)] = index }
        } else if elements.count > Self.listMax {
            places[HashedKey(key)] = elements.count - 1
        }
    }
}
