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
        head(arguments.count)
        for argument in arguments { self.argument(argument) }
    }

    /// A command whose first argument is a name, as `GET`, and whose others are bytes.
    public mutating func append(_ name: StaticString, _ arguments: [UInt8]...) {
        head(arguments.count + 1)
        self.argument(name)
        for argument in arguments { self.argument(argument) }
    }

    /// GET and PTTL of one key.
    public mutating func appendRead(_ key: [UInt8]) {
        // Appended in three pieces each: this is a read that memory could not answer.
        bytes.reserveCapacity(bytes.count + 2 * key.count + 64)
        commands += 2
        text("*2\r\n$3\r\nGET\r\n")
        argument(key)
        text("*2\r\n$4\r\nPTTL\r\n")
        argument(key)
    }

    private mutating func text(_ text: StaticString) {
        bytes += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
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
