// A native command as the tiers are to carry it out, and how their answer becomes its reply.

internal import Primitives
internal import State

/// When a request arrived, by which relative times become absolute.
typealias Moment = Timestamp

/// A native command with its arguments checked.
struct NativeRequest {
    let command: StringCommand

    init(_ command: StringCommand) { self.command = command }

    init(_ write: StringWrite, _ key: [UInt8]) { command = .write(write, key: key) }

    init(_ read: StringRead, _ key: [UInt8]) { command = .read(read, key: key) }

    /// A request that is refused once its key has been looked at.
    init(_ error: CommandError, nilIfAbsent: Bool = false, _ key: [UInt8]) {
        command = .read(.refusal(Array(error.text.utf8), nilIfAbsent: nilIfAbsent), key: key)
    }
}

/// The readings of arguments that several commands share.
enum Parse {
    static func integer(_ bytes: UnsafeRawBufferPointer) throws(CommandError) -> Int64 {
        guard let value = StringWrite.integer(Array(bytes)) else { throw .notInteger }
        return value
    }

    /// A relative or absolute time in seconds or milliseconds as a moment.
    ///
    /// Zero and below are refused where `isPositive`; what overflows is refused always.
    static func expiry(
        _ bytes: UnsafeRawBufferPointer, _ unit: ExpiryUnit, absolute: Bool, isPositive: Bool, command: String,
        now: Moment
    ) throws(CommandError) -> Timestamp {
        let value = try integer(bytes)
        if isPositive && value <= 0 { throw .expireTime(command) }
        let (scaled, overflow) = unit == .seconds ? value.multipliedReportingOverflow(by: 1000) : (value, false)
        if overflow { throw .expireTime(command) }
        let (sum, sumOverflow) = absolute ? (scaled, false) : scaled.addingReportingOverflow(now.milliseconds)
        if sumOverflow { throw .expireTime(command) }
        return min(Timestamp(milliseconds: sum), .latest)
    }
}
