// Arbitrary bytes as replies of Redis: whole or in pieces, they end at the same places or are refused at the same one.
//
//     HEARTH_FUZZ=1 swift build --scratch-path .build-fuzz -Xswiftc -sanitize=fuzzer --product ReplyFuzzer
//     .build-fuzz/debug/ReplyFuzzer -max_total_time=60 -max_len=4096
//
// The first byte of an input says how long the pieces are; the rest is what Redis sends.

import RESP

/// Where replies ended, and where the bytes were refused.
private struct Outcome: Equatable {
    var ends: [Int] = []
    var refusal: String?
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let sent = Array(input.dropFirst())
    let whole = follow(sent, piece: max(1, sent.count))
    let pieces = follow(sent, piece: 1 + Int(first) % 16)
    precondition(whole == pieces, "BUG: whole \(whole), in pieces \(pieces)")
    return 0
}

private func follow(_ sent: [UInt8], piece: Int) -> Outcome {
    var framer = ReplyFramer()
    var outcome = Outcome()
    sent.withUnsafeBytes { raw in
        var position = 0
        while position < raw.count {
            let end = min(raw.count, position + piece)
            while position < end {
                do throws(ReplyError) {
                    let part = UnsafeRawBufferPointer(rebasing: raw[position..<end])
                    let (count, isWhole) = try framer.follow(part)
                    precondition((1...part.count).contains(count), "BUG: \(count) bytes of \(part.count)")
                    precondition(isWhole || count == part.count, "BUG: it stopped within a reply")
                    precondition(framer.announced >= 0)
                    position += count
                    if isWhole { outcome.ends.append(position) }
                } catch {
                    outcome.refusal = error.text
                    return
                }
            }
        }
    }
    return outcome
}

private typealias Target = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

/// libFuzzer's own loop; its header is C++.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ target: Target
) -> CInt

/// Where the package manager lets an executable of this name begin, in the place of libFuzzer's own `main`.
@_cdecl("ReplyFuzzer_main")
public func begin(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments, fuzzOne)
}
