// What an answer from Redis says about Redis, as opposed to what it says to the application.

/// How a request to Redis ended, as the breaker judges it.
public enum Outcome: Sendable, Hashable {
    /// Redis answered: with a value, or with an error of the application's own making (-WRONGTYPE, -ERR syntax).
    case success
    /// Redis could not be reached, answered late, or said that it cannot answer anybody.
    case failure
    /// Redis is there and answers reads, but takes no writes.
    case writeFailure
    /// Redis refuses the sidecar as such (-NOAUTH, -WRONGPASS): nothing will succeed until somebody corrects it.
    case refused
    /// Redis denies this command or key to the sidecar's user (-NOPERM).
    case denied

    /// Whether somebody has to correct a configuration: to be reported as such.
    public var isMisconfiguration: Bool { self == .refused || self == .denied }

    /// Judges an error reply by its text, without the leading `-` or with it.
    ///
    /// | text begins | outcome |
    /// |---|---|
    /// | LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN BUSY, `ERR max number of clients` | failure |
    /// | READONLY OOM MISCONF NOREPLICAS | writeFailure |
    /// | NOAUTH WRONGPASS DENIED, `ERR invalid password` | refused |
    /// | NOPERM | denied |
    /// | anything else | success |
    public init(errorReply text: UnsafeRawBufferPointer) {
        var text = text
        if text.first == UInt8(ascii: "-") { text = UnsafeRawBufferPointer(rebasing: text.dropFirst()) }
        for (prefix, outcome) in Self.prefixes where Self.begins(text, with: prefix) {
            self = outcome
            return
        }
        self = .success
    }

    public init(errorReply text: String) {
        var text = text
        self = text.withUTF8 { Outcome(errorReply: UnsafeRawBufferPointer($0)) }
    }

    private static let prefixes: [(StaticString, Outcome)] = [
        ("LOADING", .failure), ("MASTERDOWN", .failure), ("CLUSTERDOWN", .failure), ("TRYAGAIN", .failure),
        ("BUSY", .failure), ("ERR max number of clients reached", .failure),
        ("READONLY", .writeFailure), ("OOM", .writeFailure), ("MISCONF", .writeFailure), ("NOREPLICAS", .writeFailure),
        ("NOAUTH", .refused), ("WRONGPASS", .refused), ("DENIED", .refused), ("ERR invalid password", .refused),
        ("NOPERM", .denied),
    ]

    /// Whether `text` begins with `prefix` as whole words: BUSY, but not BUSYGROUP (which is the application's).
    private static func begins(_ text: UnsafeRawBufferPointer, with prefix: StaticString) -> Bool {
        let count = prefix.utf8CodeUnitCount
        guard text.count >= count else { return false }
        for index in 0..<count where text[index] != prefix.utf8Start[index] { return false }
        return text.count == count || !isLetter(text[count])
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }
}
