// libFuzzer's loop, for executables that the package manager builds.

/// What is given one input after the other; it returns 0, and a trap is a finding.
public typealias FuzzTarget = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

/// An executable's arguments, as C has them.
public typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// libFuzzer's own loop; its header is C++.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments?>, _ target: FuzzTarget
) -> CInt

/// Runs `target` under the options of the command line, and returns the exit code.
///
/// The package manager lets an executable NAME begin in `NAME_main`, in the place of libFuzzer's own `main`: each
/// fuzzer has a function of that name, which calls this.
///
/// Source: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
public func fuzz(_ count: CInt, _ arguments: Arguments?, _ target: FuzzTarget) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments, target)
}

/// An input whose first byte says how long the pieces are in which the rest arrives.
public struct InPieces {
    public let bytes: [UInt8]
    private let length: Int

    /// Nil for an empty input.
    public init?(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        let input = UnsafeBufferPointer(start: start, count: count)
        guard let first = input.first else { return nil }
        bytes = Array(input.dropFirst())
        length = 1 + Int(first) % 16
    }

    /// All of it as one piece; none where there is nothing.
    public var whole: [ArraySlice<UInt8>] { bytes.isEmpty ? [] : [bytes[...]] }

    /// Of 1 to 16 bytes each.
    public var pieces: [ArraySlice<UInt8>] { cut(length) }

    /// Of one byte each.
    public var singles: [ArraySlice<UInt8>] { cut(1) }

    /// Whether an array of 100,000 elements or more may be announced: hiredis makes room for all of them, and where
    /// they then don't come it goes through them one by one.
    public var announcesMuch: Bool {
        var digits: Int?
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "*"): digits = 0
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits = digits.map { $0 + 1 }
            default: digits = nil
            }
            if digits == 6 { return true }
        }
        return false
    }

    private func cut(_ length: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: bytes.count, by: length).map { bytes[$0..<min($0 + length, bytes.count)] }
    }
}
