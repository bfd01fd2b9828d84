// What a policy answers when nobody knows: a literal, or a template with the key in it.

/// A policy's default context: bytes in which `{key}` and `{suffix}` (what follows the prefix) are replaced.
///
/// Any other brace is literal, so JSON needs no escaping. A default is never written to any tier.
public struct DefaultContext: Sendable, Equatable {
    enum Piece: Sendable, Equatable {
        case literal([UInt8])
        case key
        case suffix
    }

    /// The template as it was configured.
    public let template: String
    let pieces: [Piece]

    public init(template: String) {
        self.template = template
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var rest = Array(template.utf8)[...]
        func flush() {
            if !literal.isEmpty { pieces.append(.literal(literal)) }
            literal = []
        }
        while let byte = rest.first {
            if rest.starts(with: "{key}".utf8) {
                flush()
                pieces.append(.key)
                rest = rest.dropFirst(5)
            } else if rest.starts(with: "{suffix}".utf8) {
                flush()
                pieces.append(.suffix)
                rest = rest.dropFirst(8)
            } else {
                literal.append(byte)
                rest = rest.dropFirst()
            }
        }
        flush()
        self.pieces = pieces
    }

    /// The value served for `key`, under a policy whose prefix has `prefixLength` bytes.
    public func value(forKey key: [UInt8], prefixLength: Int) -> [UInt8] {
        var value: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .literal(let bytes): value += bytes
            case .key: value += key
            case .suffix: value += key.dropFirst(prefixLength)
            }
        }
        return value
    }
}
