// Faults that are switched on from outside, so that the tests of coherence are seen to fail where they should.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#else
    private import Darwin
#endif

/// What a process does wrong on purpose (`HEARTH_FAULT`, never set in production); read once.
public enum Faults {
    /// Invalidations are proved to arrive, and then not taken over.
    public static let isDeaf = isSet("deaf")
    /// An answer is held whatever was written or invalidated since it was asked for.
    public static let ignoresTokens = isSet("tokens")

    /// The switches that are on, as they were given; nil where there are none.
    public static var given: String? { getenv(name).map { String(cString: $0) } }

    private static let name = "HEARTH_FAULT"

    private static func isSet(_ word: String) -> Bool {
        given.map { $0.split(separator: ",").contains(Substring(word)) } ?? false
    }
}
