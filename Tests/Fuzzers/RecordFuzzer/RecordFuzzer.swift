// Arbitrary bytes as a record, as the fields of one in Redis, and as a journaled write: refused, or understood; what is
// understood is written and read back as the same.
//
// The first byte says which. Fields are of one byte for the length of the name, one for that of the value, and both.

public import FuzzerDriver
import Primitives
import State

@testable import Tiers

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecords(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let rest = Array(input.dropFirst())
    switch first % 3 {
    case 0: Record(rest).map(check)
    case 1: Record(fields: fields(rest[...])).map(check)
    default: takeWrite(rest)
    }
    return 0
}

private func check(_ record: Record) {
    let bytes = record.encoded
    let same = Record(bytes)
    precondition(same == record, "BUG: \(record) is read back from its bytes as \(String(describing: same))")
    let head = bytes.withUnsafeBytes { RecordHead($0) }
    precondition(
        head?.version == record.version && head?.fence == record.fence && head?.isDeleted == record.isDeleted,
        "BUG: the head of \(record) says something else")
    let again = Record(fields: record.fields)
    precondition(again == record, "BUG: \(record) is read back from its fields as \(String(describing: again))")
}

private func fields(_ bytes: ArraySlice<UInt8>) -> [Record.Field] {
    var fields: [Record.Field] = []
    var rest = bytes
    while rest.count >= 2 {
        let (name, value) = (Int(rest.removeFirst()), Int(rest.removeFirst()))
        let start = rest
        rest = rest.dropFirst(name + value)
        fields.append((Array(start.prefix(name)), Array(start.dropFirst(name).prefix(value))))
    }
    return fields
}

private func takeWrite(_ payload: [UInt8]) {
    guard let write = try? JournaledWrite(payload: payload) else { return }
    let bytes = write.encoded()
    let again = (try? JournaledWrite(payload: bytes))?.encoded()
    precondition(again == bytes, "BUG: a write of \(payload) is read back as another")
}

@_cdecl("RecordFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzRecords) }
