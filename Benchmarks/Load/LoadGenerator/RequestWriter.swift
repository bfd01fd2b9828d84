// Requests as bytes, in the protocol of the server.

internal import RESP

/// The language that the server speaks.
public enum WireProtocol: String, CaseIterable, Sendable {
    case redis
    /// Memcached's text protocol.
    case memcached
}

/// Appends requests to what a connection sends next.
struct RequestWriter {
    private let wire: WireProtocol
    private let keys: KeySpace
    /// Everything before the key, for hot and cold keys: their lengths are constant.
    private let getHead: (hot: [UInt8], cold: [UInt8])
    private let setHead: [UInt8]
    private let setColdHead: [UInt8]

    init(_ wire: WireProtocol, _ keys: KeySpace) {
        self.wire = wire
        self.keys = keys
        func head(_ redis: String, _ memcached: String, _ key: Key) -> [UInt8] {
            switch wire {
            case .redis: Array("\(redis)$\(keys.keyCount(key))\r\n".utf8)
            case .memcached: Array(memcached.utf8)
            }
        }
        getHead = (
            head("*2\r\n$3\r\nGET\r\n", "get ", .hot(0)), head("*2\r\n$3\r\nGET\r\n", "get ", .cold(0))
        )
        setHead = head("*3\r\n$3\r\nSET\r\n", "set ", .hot(0))
        setColdHead = head("*3\r\n$3\r\nSET\r\n", "set ", .cold(0))
    }

    @inline(__always)
    func append(_ operation: Operation, _ key: Key, to output: OutputBuffer) {
        switch operation {
        case .get, .miss:
            (key.isCold ? getHead.cold : getHead.hot).withUnsafeBytes { output.append($0) }
            keys.appendKey(key, to: output)
            output.append("\r\n")
        case .set, .store:
            (key.isCold ? setColdHead : setHead).withUnsafeBytes { output.append($0) }
            keys.appendKey(key, to: output)
            switch wire {
            case .redis: output.append("\r\n$")
            case .memcached: output.append(" 0 0 ")
            }
            output.append(decimal: Int64(keys.valueCount(key)))
            output.append("\r\n")
            keys.appendValue(key, to: output)
            output.append("\r\n")
        }
    }
}
