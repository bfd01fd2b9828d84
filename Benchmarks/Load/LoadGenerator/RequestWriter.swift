// Requests as bytes, in the protocol of the server.

internal import RESP

/// The language that the server speaks.
public enum WireProtocol: String, CaseIterable, Sendable {
    case redis
    /// Memcached's text protocol.
    case memcached
}

/// Appends requests to what a connection sends next.
struct RequestWriter: ~Copyable {
    private let wire: WireProtocol
    private let keys: KeySpace
    /// Everything before the digits of the key, by ``Operation``; not in arrays, whose references each request would
    /// count.
    private let beginnings: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>

    init(_ wire: WireProtocol, _ keys: KeySpace) {
        self.wire = wire
        self.keys = keys
        let all = Operation.allCases
        beginnings = .allocate(capacity: all.count)
        for operation in all {
            let text = Self.beginning(operation, wire, keys)
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
            bytes.copyBytes(from: text.utf8)
            beginnings.initializeElement(at: operation.rawValue, to: UnsafeRawBufferPointer(bytes))
        }
    }

    deinit {
        for bytes in beginnings { bytes.deallocate() }
        beginnings.deallocate()
    }

    private static func beginning(_ operation: Operation, _ wire: WireProtocol, _ keys: KeySpace) -> String {
        let name = (operation.isOfRecord ? "STATE." : "") + (operation.isWrite ? "SET" : "GET")
        let prefix = keys.prefix(of: operation.key(0))
        switch wire {
        case .redis:
            let words = operation.isWrite ? 3 : 2
            let length = prefix.utf8.count + KeySpace.digits
            return "*\(words)\r\n$\(name.utf8.count)\r\n\(name)\r\n$\(length)\r\n\(prefix)"
        case .memcached: return "\(name.lowercased()) \(prefix)"
        }
    }

    /// Appends a request for a key of the operation's kind.
    @inline(__always)
    func append(_ operation: Operation, _ key: Key, to output: OutputBuffer) {
        output.append(beginnings[operation.rawValue])
        KeySpace.appendDigits(key, to: output)
        if operation.isWrite {
            switch wire {
            case .redis: output.append("\r\n$")
            case .memcached: output.append(" 0 0 ")
            }
            output.append(decimal: Int64(keys.valueCount(key)))
            output.append("\r\n")
            keys.appendValue(key, to: output)
        }
        output.append("\r\n")
    }
}
