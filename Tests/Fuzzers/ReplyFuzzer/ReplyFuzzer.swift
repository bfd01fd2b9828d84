// Arbitrary bytes as replies of Redis, for the two that read them: the framer of passed-through replies and hiredis.
//
// The framer finds the same ends whole and in pieces, and those that hiredis finds. What is read past hiredis, where a
// reply is whole in the buffer, is what hiredis makes of it when it gets one byte at a time.

public import FuzzerDriver
import Primitives
import RESP
import RedisTier

/// Where replies ended, and where the bytes were refused.
private struct Outcome: Equatable {
    var ends: [Int] = []
    var refusal: String?
}

/// What hiredis made of the bytes, where each reply ended, and whether it refused what followed.
private struct Reading {
    var replies: [Reply] = []
    var ends: [Int] = []
    var isRefused = false
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzReplies(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let input = InPieces(start, count) else { return 0 }
    let framed = follow(input.whole)
    let pieces = follow(input.pieces)
    precondition(framed == pieces, "BUG: whole \(framed), in pieces \(pieces)")

    if input.announcesMuch { return 0 }
    let slowly = read(input.singles)
    let whole = read(input.whole)
    precondition(
        slowly.replies == whole.replies && slowly.isRefused == whole.isRefused,
        "BUG: byte by byte \(slowly.replies), whole \(whole.replies)")
    // Each refuses some bytes that the other takes; as far as both take them they end at the same places.
    for (framer, hiredis) in zip(framed.ends, slowly.ends) {
        precondition(framer == hiredis, "BUG: a reply ends at \(framer), for hiredis at \(hiredis)")
    }
    return 0
}

private func read(_ pieces: [ArraySlice<UInt8>]) -> Reading {
    let reader = ReplyReader()
    var reading = Reading()
    do throws(RedisFailure) {
        for piece in pieces {
            var failure: RedisFailure?
            piece.withUnsafeBytes { bytes in
                do throws(RedisFailure) { try reader.feed(bytes) } catch { failure = error }
            }
            if let failure { throw failure }
            while let reply = try reader.next() {
                reading.replies.append(reply)
                reading.ends.append(piece.endIndex)
            }
        }
    } catch {
        reading.isRefused = true
    }
    return reading
}

private func follow(_ pieces: [ArraySlice<UInt8>]) -> Outcome {
    var framer = ReplyFramer()
    var outcome = Outcome()
    for piece in pieces {
        var rest = piece
        while !rest.isEmpty, outcome.refusal == nil {
            rest.withUnsafeBytes { bytes in
                do throws(ReplyError) {
                    let (count, isWhole) = try framer.follow(bytes)
                    precondition((1...bytes.count).contains(count), "BUG: \(count) bytes of \(bytes.count)")
                    precondition(isWhole || count == bytes.count, "BUG: it stopped within a reply")
                    precondition(framer.announced >= 0)
                    rest = rest.dropFirst(count)
                    if isWhole { outcome.ends.append(rest.startIndex) }
                } catch {
                    outcome.refusal = error.text
                }
            }
        }
    }
    return outcome
}

@_cdecl("ReplyFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzReplies) }
