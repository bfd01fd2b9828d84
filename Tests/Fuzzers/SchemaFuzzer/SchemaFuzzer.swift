// Arbitrary bytes as paths and as values under a chain of steps: nothing traps, and what is no JSON stays no JSON.
//
// An input that begins with an odd byte is a path; what follows an even one is a value.

public import FuzzerDriver
import State

private let schema: Schema = {
    func path(_ text: String) -> JSONPath {
        do { return try JSONPath(text) } catch { preconditionFailure("BUG: \(text): \(error.text)") }
    }
    var schema = Schema()
    schema.current = 4
    schema.steps = [
        SchemaStep(to: 2, [.rename(path("a"), to: "b"), .move(path("c.d"), to: path("c"))]),
        SchemaStep(to: 3, [.remove(path("l[*].x")), .addDefault(path("l[*].y.z"), .array([.null]))]),
        SchemaStep(to: 4, [.move(path("m.*.p"), to: path("m.*.q.r")), .set(path("s.t"), .string("\u{1}\""))]),
    ]
    return schema
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSchema(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let rest = Array(input.dropFirst())
    if first % 2 == 1 { takePath(String(decoding: rest, as: UTF8.self)) } else { takeValue(rest) }
    return 0
}

private func takePath(_ text: String) {
    guard let path = try? JSONPath(text) else { return }
    let again = try? JSONPath(path.text)
    precondition(again == path, "BUG: a path is read back as another")
}

private func takeValue(_ value: [UInt8]) {
    for from in 0...Int64(5) {
        switch schema.migrate(value, from: from) {
        case .none: precondition(from == 4, "BUG: a value of another schema was passed over")
        case .newer: precondition(from == 5, "BUG: a schema that is known was taken for a newer one")
        case .failed: break
        case .changed(let changed, _, let effects):
            precondition(!effects.isEmpty || changed == value, "BUG: bytes were changed by no operation")
            // What comes out is JSON: the last step would else fail on it.
            if case .failed(.notJSON) = schema.migrate(changed, from: 3) {
                preconditionFailure("BUG: a migrated value is no JSON")
            }
        }
    }
}

@_cdecl("SchemaFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzSchema) }
