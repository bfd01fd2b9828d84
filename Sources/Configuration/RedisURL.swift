// `redis.url`: where Redis is, as a URL, and back.
//
// Source: the URI schemes `redis` (IANA's provisional registration) and `unix` as redis-py reads them. TLS (`rediss`)
// is not supported, and refused rather than spoken in the clear.

internal import RedisTier

/// What a `redis.url` says: nothing but Redis's address, database and who we are to it.
struct RedisURL: Equatable {
    var endpoint: RedisConfiguration.Endpoint
    var database = 0
    var username: String?
    var password: String?

    static let expected = "redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N]"

    init(endpoint: RedisConfiguration.Endpoint, database: Int, username: String?) {
        self.endpoint = endpoint
        self.database = database
        self.username = username
    }

    /// The refusals never repeat the URL, which may hold a password.
    init(_ text: String) throws(Refusal) {
        // Beyond ASCII a character could hide a separator under a combining mark; a URL has neither (RFC 3986 §2).
        guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Refusal("a URL has only printable ASCII; write other bytes as %XX")
        }
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
            throw Refusal("not a URL: a scheme and :// are missing in front; expected \(Self.expected)")
        }
        let scheme = text[..<colon].lowercased()
        var rest = text[text.index(colon, offsetBy: 3)...]
        guard !rest.contains("#") else {
            throw Refusal("a URL with a fragment (#); write %23 for the character itself")
        }
        var query: Substring?
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var authority = rest[..<slash]
        let path = rest[slash...]
        var identity: (username: String?, password: String?) = (nil, nil)
        if let at = authority.lastIndex(of: "@") {
            identity = try Self.identity(authority[..<at])
            authority = authority[authority.index(after: at)...]
        }
        switch scheme {
        case "redis":
            guard query == nil else { throw Refusal("redis:// takes no ?query; the database is /db") }
            endpoint = try Self.tcp(authority)
            if path.count > 1 { database = try Self.database(path.dropFirst()) }
        case "unix", "redis+unix":
            guard authority.isEmpty else { throw Refusal("\(scheme):// takes no host; write unix:///path") }
            let decoded = try Self.decoded(path, "path")
            guard decoded.count > 1 else { throw Refusal("no path of a socket; expected unix:///path[?db=N]") }
            guard decoded.utf8.count <= 107 else { throw Refusal("a socket's path has at most 107 bytes") }
            endpoint = .unix(path: decoded)
            if let query {
                guard query.hasPrefix("db=") else { throw Refusal("the only ?query of \(scheme):// is db=N") }
                database = try Self.database(query.dropFirst(3))
            }
        case "rediss":
            throw Refusal("rediss:// asks for TLS, which is not supported yet; reach Redis by redis:// or a socket")
        default: throw Refusal("the scheme \(shown(scheme)) is not known; expected \(Self.expected)")
        }
        (username, password) = identity
    }

    /// The URL without its password.
    var text: String {
        let user = username.map { Self.encoded($0) + "@" } ?? ""
        switch endpoint {
        case .tcp(let host, let port):
            let shownHost = host.contains(":") ? "[\(host)]" : host
            return "redis://\(user)\(shownHost):\(port)/\(database)"
        case .unix(let path):
            return "unix://\(user)\(Self.encoded(path, keeping: "/"))" + (database == 0 ? "" : "?db=\(database)")
        }
    }

    private static func identity(_ text: Substring) throws(Refusal) -> (String?, String?) {
        let colon = text.firstIndex(of: ":")
        let user = try decoded(text[..<(colon ?? text.endIndex)], "user name")
        guard let colon else { return (user.isEmpty ? nil : user, nil) }
        let password = try decoded(text[text.index(after: colon)...], "password")
        return (user.isEmpty ? nil : user, password.isEmpty ? nil : password)
    }

    private static func tcp(_ authority: Substring) throws(Refusal) -> RedisConfiguration.Endpoint {
        var host = authority
        var port = 6379
        let end = host.first == "[" ? host.firstIndex(of: "]") ?? host.startIndex : host.startIndex
        if let colon = host[end...].lastIndex(of: ":") {
            let digits = host[host.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
                (1...65_535).contains(number)
            else { throw Refusal("the port is not a number from 1 to 65535") }
            port = number
            host = host[..<colon]
        }
        if host.first == "[" {
            guard host.last == "]", host.count > 2 else { throw Refusal("an IPv6 host needs both brackets: [::1]") }
            host = host.dropFirst().dropLast()
            let allowed = host.utf8.allSatisfy { isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
            guard allowed, host.contains(":") else { throw Refusal("what stands in the brackets is no IPv6 address") }
            return .tcp(host: String(host), port: port)
        }
        guard !host.contains(":") else { throw Refusal("an IPv6 host needs brackets: [::1]") }
        let name = try decoded(host, "host")
        guard !name.isEmpty else { throw Refusal("no host; expected \(expected)") }
        guard name.utf8.count <= 253, name.utf8.allSatisfy(isHostCharacter) else {
            throw Refusal("the host is no host name; if a password has a / or @, write %2F or %40")
        }
        return .tcp(host: name, port: port)
    }

    private static func database(_ text: Substring) throws(Refusal) -> Int {
        guard (1...6).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(text)
        else { throw Refusal("the database is not a number from 0 to 999999") }
        return number
    }

    /// Percent-decoding (RFC 3986 §2.1); the result must be UTF-8 without a zero byte.
    private static func decoded(_ text: Substring, _ part: String) throws(Refusal) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy(isHexDigit), let hex = String(digits),
                let value = UInt8(hex, radix: 16)
            else {
                throw Refusal("in the \(part), % is not followed by two hexadecimal digits; write %25 for the sign")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        guard let string = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw Refusal("the \(part) is not text in UTF-8 without zero bytes")
        }
        return string
    }

    private static func encoded(_ text: String, keeping kept: String = "") -> String {
        var out = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if isUnreserved(byte) || kept.utf8.contains(byte) {
                out.unicodeScalars.append(scalar)
            } else {
                out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return out
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    /// RFC 3986 §2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Letters, digits, `-`, `.` and `_` (which containers' names have).
    private static func isHostCharacter(_ byte: UInt8) -> Bool { isUnreserved(byte) && byte != UInt8(ascii: "~") }
}
