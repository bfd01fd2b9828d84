// Arbitrary bytes as requests: whole or in pieces, they give the same requests and the same refusal; and requests in
// RESP are to the parser what they are to hiredis.

public import FuzzerDriver
import Primitives
import RESP
import RedisTier

/// What a client's bytes came to.
private struct Outcome: Equatable {
    var requests: [[[UInt8]]] = []
    var refusal: String?
    /// Bytes of whole requests.
    var consumed = 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequests(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let input = InPieces(start, count) else { return 0 }
    let whole = parse(input.whole)
    let pieces = parse(input.pieces)
    precondition(whole == pieces, "BUG: whole \(whole), in pieces \(pieces)")
    if input.announcesMuch { return 0 }
    // Each refuses some bytes that the other takes; as far as both take them they are the same.
    for (parsed, expected) in zip(whole.requests, requestsByHiredis(input.bytes)) {
        precondition(parsed == expected, "BUG: \(parsed) is \(expected) to hiredis")
    }
    return 0
}

/// The leading arrays of strings, as hiredis reads them; empty ones are no requests.
private func requestsByHiredis(_ bytes: [UInt8]) -> [[[UInt8]]] {
    let reader = ReplyReader()
    var requests: [[[UInt8]]] = []
    var failure: RedisFailure?
    bytes.withUnsafeBytes { raw in
        do throws(RedisFailure) { try reader.feed(raw) } catch { failure = error }
    }
    while failure == nil, let reply = try? reader.next() {
        guard case .array(let elements) = reply else { break }
        let words = elements.compactMap { if case .string(let word) = $0 { word } else { nil } }
        guard words.count == elements.count else { break }
        if !words.isEmpty { requests.append(words) }
    }
    return requests
}

/// Feeds pieces as a connection does: what isn't consumed stays where it is, and more is appended.
private func parse(_ pieces: [ArraySlice<UInt8>]) -> Outcome {
    var parser = RequestParser(requestMax: 4096)
    var outcome = Outcome()
    var held: [UInt8] = []
    for piece in pieces {
        held += piece
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
        let words = arguments.map { range in
            precondition(range.offset >= 0 && range.count >= 0 && range.offset + range.count <= length)
            return Array(held[range.offset..<range.offset + range.count])
        }
        // One without a word is answered by nothing, as Redis passes over it.
        if !words.isEmpty { outcome.requests.append(words) }
        return length
    }
}

@_cdecl("RequestFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzRequests) }
