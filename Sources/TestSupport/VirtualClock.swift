// Time that passes when a test says so.

public import Primitives

/// A clock in a test's hand: monotonic nanoseconds, and wall time in milliseconds that follows it and can jump.
public struct VirtualClock: Sendable {
    /// Nanoseconds since the test began.
    public private(set) var nanoseconds: Int64
    private var wallOffset: Int64

    public init(nanoseconds: Int64 = 0, wall: Timestamp = Timestamp(milliseconds: 1_700_000_000_000)) {
        self.nanoseconds = nanoseconds
        wallOffset = wall.milliseconds - nanoseconds / 1_000_000
    }

    /// The wall clock.
    public var wall: Timestamp { Timestamp(milliseconds: wallOffset + nanoseconds / 1_000_000) }

    /// Lets time pass.
    public mutating func advance(by duration: Duration) {
        let (seconds, attoseconds) = duration.components
        precondition(seconds >= 0 && attoseconds >= 0, "monotonic time does not go back")
        nanoseconds += seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// Sets the wall clock forward or back; monotonic time goes on as before.
    public mutating func jumpWall(byMilliseconds milliseconds: Int64) { wallOffset += milliseconds }
}
