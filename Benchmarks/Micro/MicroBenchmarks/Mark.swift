// The mark at which a counting emulator writes down what was counted since the one before, and begins anew.

internal import Synchronization

private let marks = Atomic<Int>(0)

/// Called before and behind what is counted: `valgrind --tool=callgrind --dump-before=hearth_micro_mark`.
///
/// It has an effect, so that no optimizer finds the call needless.
@_silgen_name("hearth_micro_mark")
@inline(never)
public func mark() { marks.wrappingAdd(1, ordering: .relaxed) }
