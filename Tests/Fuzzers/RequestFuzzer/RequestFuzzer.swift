// Arbitrary bytes as requests: whole or in pieces, they give the same requests and the same refusal.
//
//     HEARTH_FUZZ=1 swift build --scratch-path .build-fuzz -Xswiftc -sanitize=fuzzer --product RequestFuzzer
//     .build-fuzz/debug/RequestFuzzer -max_total_time=60 -max_len=4096
//
// The first byte of an input says how long the pieces are; the rest is what a client sends.

import RESP

/// What a client's bytes came to.
private struct Outcome: Equatable {
    var requests: [[[UInt8]]] = []
    var refusal: String?
    /// Bytes of whole requests.
    var consumed = 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let sent = Array(input.dropFirst())
    let whole = parse(sent, piece: max(1, sent.count))
    let pieces = parse(sent, piece: 1 + Int(first) % 16)
    precondition(whole == pieces, "BUG: whole \(whole), in pieces \(pieces)")
    return 0
}

/// Feeds `sent` in pieces, as a connection does: what isn't consumed stays where it is, and more is appended.
private func parse(_ sent: [UInt8], piece: Int) -> Outcome {
    var parser = RequestParser(requestMax: 4096)
    var outcome = Outcome()
    var held: [UInt8] = []
    var position = 0
    while position < sent.count {
        let end = min(sent.count, position + piece)
        held += sent[position..<end]
        position = end
        do throws(RequestError) {
            while let length = try parser.next(&held, into: &outcome) {
                outcome.consumed += length
                held.removeFirst(length)
            }
        } catch {
            outcome.refusal = error.text
            return outcome
        }
    }
    return outcome
}

extension RequestParser {
    /// The length of the request at the front, once its arguments are recorded; nil while it isn't whole.
    fileprivate mutating func next(_ held: inout [UInt8], into outcome: inout Outcome) throws(RequestError) -> Int? {
        guard !held.isEmpty else { return nil }
        let count = held.count
        var result = ParseResult.incomplete(needed: 0)
        var failure: RequestError?
        held.withUnsafeMutableBytes { buffer in
            do throws(RequestError) { result = try parse(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        guard case .request(let length) = result else {
            if case .incomplete(let needed) = result { precondition(needed > count, "BUG: it waits for what it has") }
            return nil
        }
        precondition((1...count).contains(length), "BUG: a request of \(length) bytes in \(count)")
        outcome.requests.append(
            arguments.map { range in
                precondition(range.offset >= 0 && range.count >= 0 && range.offset + range.count <= length)
                return Array(held[range.offset..<range.offset + range.count])
            })
        return length
    }
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
@_cdecl("RequestFuzzer_main")
public func begin(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments, fuzzOne)
}
