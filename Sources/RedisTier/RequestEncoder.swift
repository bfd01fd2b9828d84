// Requests to Redis as bytes.
//
// Written here and not by redisFormatCommandArgv, which allocates a buffer for each request and prints each length with
// sprintf: requests are appended straight to the bytes that leave with this iteration of the loop.

/// Commands in the Redis protocol, appended one after another; they leave in one write.
public struct RequestEncoder: Sendable {
    public private(set) var bytes: [UInt8] = []
    /// How many commands were appended, and so how many replies will come.
    public private(set) var commands = 0

    public init() {}

    public mutating func append(_ arguments: [[UInt8]]) {
        // Its head of 24 bytes at most, and 25 beside each argument.
        let most = arguments.reduce(24) { $0 + $1.count + 25 }
        if most <= Self.piecesMax { return appendInOnePiece(arguments, most) }
        reserve(most)
        head(arguments.count)
        for argument in arguments { self.argument(argument) }
    }

    /// A command whose first argument is a name, as `GET`, and whose others are bytes.
    public mutating func append(_ name: StaticString, _ arguments: [UInt8]...) {
        head(arguments.count + 1)
        self.argument(name)
        for argument in arguments { self.argument(argument) }
    }

    /// Up to so many bytes a command is put together beside the others, and appended in one piece: each append looks
    /// whether there is room. A longer one would be copied once more.
    private static let piecesMax = 1024

    private mutating func appendInOnePiece(_ arguments: [[UInt8]], _ most: Int) {
        commands += 1
        inOnePiece(most) { pen in
            pen.write("*")
            pen.write(decimal: arguments.count)
            pen.write("\r\n")
            for argument in arguments {
                pen.write("$")
                pen.write(argument)
            }
        }
    }

    /// Makes room for so many bytes at once.
    public mutating func reserve(_ count: Int) {
        let needed = bytes.count + count
        // Reserving makes exactly the room that is asked for: not for each of many commands, which would copy them all.
        if needed > bytes.capacity { bytes.reserveCapacity(bytes.isEmpty ? needed : max(needed, 2 * bytes.capacity)) }
    }

    /// Bytes of a command of one key beside its name and the key: 13 of marks and line ends, and two lengths.
    public static let keyBytesMax = 64

    /// A command whose only argument is a key, as `PTTL`.
    public mutating func append(_ name: StaticString, of key: [UInt8]) {
        commands += 1
        inOnePiece(key.count + name.utf8CodeUnitCount + Self.keyBytesMax) { pen in
            pen.write("*2\r\n$")
            pen.write(decimal: name.utf8CodeUnitCount)
            pen.write("\r\n")
            pen.write(name)
            pen.write("\r\n$")
            pen.write(key)
        }
    }

    /// The beginning of a command whose arguments are keys, as `MGET`; as many ``append(key:)`` follow.
    public mutating func begin(_ name: StaticString, keys: Int) {
        head(keys + 1)
        argument(name)
    }

    /// A key of a command that has begun.
    public mutating func append(key: [UInt8]) {
        inOnePiece(key.count + Self.keyBytesMax) { pen in
            pen.write("$")
            pen.write(key)
        }
    }

    /// Has a Redis that tracks what it is asked to (`CLIENT TRACKING … OPTIN`) remember the keys that the next command
    /// reads.
    public mutating func appendCaching() {
        commands += 1
        let text: StaticString = "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n"
        bytes += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// Appends what `write` puts into a place of so many bytes at most.
    @inline(__always)
    private mutating func inOnePiece(_ most: Int, _ write: (inout Pen) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: most, alignment: 1) { room in
            var pen = Pen(room.baseAddress!)
            write(&pen)
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<(pen.place - room.baseAddress!)]))
        }
    }

    /// Writes where there is room for certain.
    private struct Pen {
        var place: UnsafeMutableRawPointer

        init(_ place: UnsafeMutableRawPointer) { self.place = place }

        @inline(__always)
        mutating func write(_ text: StaticString) {
            place.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
            place += text.utf8CodeUnitCount
        }

        /// The digits of a number that is not negative.
        mutating func write(decimal number: Int) {
            var digits = 1
            var rest = number
            while rest >= 10 {
                rest /= 10
                digits += 1
            }
            rest = number
            for position in (0..<digits).reversed() {
                place.storeBytes(of: UInt8(truncatingIfNeeded: 48 + rest % 10), toByteOffset: position, as: UInt8.self)
                rest /= 10
            }
            place += digits
        }

        /// The length of an argument, and the argument.
        mutating func write(_ argument: [UInt8]) {
            write(decimal: argument.count)
            write("\r\n")
            argument.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { place.copyMemory(from: base, byteCount: bytes.count) }
            }
            place += argument.count
            write("\r\n")
        }
    }

    private mutating func head(_ count: Int) {
        commands += 1
        bytes.append(UInt8(ascii: "*"))
        decimal(count)
    }

    private mutating func argument(_ argument: [UInt8]) {
        bytes.append(UInt8(ascii: "$"))
        decimal(argument.count)
        bytes += argument
        lineEnd()
    }

    private mutating func argument(_ name: StaticString) {
        bytes.append(UInt8(ascii: "$"))
        decimal(name.utf8CodeUnitCount)
        bytes += UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        lineEnd()
    }

    private mutating func decimal(_ value: Int) {
        if value < 10 {
            bytes.append(UInt8(48 + value))
        } else {
            var divisor = 10
            while value / divisor >= 10 { divisor *= 10 }
            while divisor > 0 {
                bytes.append(UInt8(48 + value / divisor % 10))
                divisor /= 10
            }
        }
        lineEnd()
    }

    private mutating func lineEnd() {
        bytes.append(13)
        bytes.append(10)
    }
}
