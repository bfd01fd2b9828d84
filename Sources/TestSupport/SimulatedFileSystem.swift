// A disk in memory that fails, fills up, shortens transfers and loses power, all by the seed.
//
// DESIGN. A file has what is durable, and the changes since its last synchronisation; a directory likewise has its
// durable names and the changes to them. Losing power keeps any subset of the changes, writes torn at any byte. A
// failed synchronisation behaves as Linux's does: the pages count as clean, so that a later one succeeds without ever
// writing what the failed one did not ("Can Applications Recover from fsync Failures?", ATC 2020).

internal import Primitives
public import SegmentLog

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// A small generator with a seed: SplitMix64 (Steele, Lea, Flood, 2014).
public struct SimulatedRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// What the simulated disk does wrong.
public struct SimulatedFaults: Sendable {
    /// The call (counted from 1, over all calls or over those of `failingOperation`) that fails, and how.
    public var failingCall: Int?
    public var failingOperation: FileError.Operation?
    public var code = FileErrorCode.inputOutput
    /// Whether all later calls fail too.
    public var isPersistent = false
    /// Reads and writes transfer at most so many bytes a call.
    public var transferMax = Int.max
    /// Bytes that all files together may hold.
    public var capacity = Int.max
    public var isReadOnly = false

    public init() {}
}

public final class SimulatedFileSystem: FileSystem {
    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case truncate(Int)
    }

    private struct File {
        var bytes: [UInt8] = []
        var durable: [UInt8] = []
        var changes: [Change] = []
        /// Changes that a failed synchronisation left behind: a later one does not make them durable.
        var lost: [Change] = []
        var isLocked = false
    }

    /// What one call did to names; of a rename both or neither are there after a loss of power (POSIX: it is atomic).
    private struct NameChange {
        var names: [(name: String, file: Int?)]

        init(name: String, file: Int?) { names = [(name, file)] }
        init(from: String, to: String, file: Int) { names = [(to, file), (from, nil)] }
    }

    private struct State {
        var random: SimulatedRandom
        var files: [Int: File] = [:]
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var nameChanges: [NameChange] = []
        var directories: Set<String> = ["/", "."]
        var open: [Int32: Int] = [:]
        var locks: [Int32: Int] = [:]
        var nextFile = 1
        var nextDescriptor: Int32 = 3
        var faults = SimulatedFaults()
        var calls = 0
        var matching = 0
        var failed = 0
        var isPowered = true
        var highest = 0
    }

    private let state: Locked<State>

    public init(seed: UInt64 = 1) { state = Locked(State(random: SimulatedRandom(seed: seed))) }

    /// What goes wrong from now on; setting it starts the count of calls anew.
    public var faults: SimulatedFaults {
        get { state.withLock { $0.faults } }
        set {
            state.withLock {
                $0.faults = newValue
                $0.calls = 0
                $0.matching = 0
                $0.failed = 0
            }
        }
    }

    /// Calls made since the faults were set.
    public var calls: Int { state.withLock { $0.calls } }

    /// Calls that were made to fail since the faults were set.
    public var failedCalls: Int { state.withLock { $0.failed } }

    /// The most bytes that the named files ever held together, as `bytesUsed` counts them.
    public var bytesUsedMax: Int { state.withLock { $0.highest } }

    /// Bytes of all files that have a name.
    public var bytesUsed: Int { state.withLock { Self.used($0) } }

    private static func used(_ state: State) -> Int {
        state.names.values.reduce(0) { $0 + (state.files[$1]?.bytes.count ?? 0) }
    }

    /// Ends the process that has it open: all descriptors and locks are gone, and every byte that was written is there.
    public func endProcess() {
        state.withLock { state in
            state.open = [:]
            state.locks = [:]
        }
    }

    /// Cuts the power: every call fails until `restorePower`.
    public func cutPower() { state.withLock { $0.isPowered = false } }

    /// Restores the power: of what was not synchronised, any part is there. All descriptors are gone.
    public func restorePower() {
        state.withLock { state in
            for change in state.nameChanges where Bool.random(using: &state.random) {
                for (name, file) in change.names { state.durableNames[name] = file }
            }
            state.names = state.durableNames
            state.nameChanges = []
            for (number, var file) in state.files.sorted(by: { $0.key < $1.key }) {
                var bytes = file.durable
                for change in (file.lost + file.changes).shuffled(using: &state.random) {
                    Self.applyPart(of: change, to: &bytes, &state.random)
                }
                file = File(bytes: bytes, durable: bytes)
                state.files[number] = file
            }
            let named = Set(state.names.values)
            state.files = state.files.filter { named.contains($0.key) }
            state.open = [:]
            state.locks = [:]
            state.faults = SimulatedFaults()
            state.isPowered = true
        }
    }

    /// Nothing, all, or one torn stretch of a change.
    private static func applyPart(of change: Change, to bytes: inout [UInt8], _ random: inout SimulatedRandom) {
        guard Bool.random(using: &random) else { return }
        switch change {
        case .truncate(let size):
            if size < bytes.count { bytes.removeSubrange(size...) }
        case .write(let offset, let written):
            var part = 0..<written.count
            if !written.isEmpty, Bool.random(using: &random) {
                let a = Int.random(in: 0...written.count, using: &random)
                let b = Int.random(in: 0...written.count, using: &random)
                part = min(a, b)..<max(a, b)
            }
            apply(.write(offset: offset + part.lowerBound, bytes: Array(written[part])), to: &bytes)
        }
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .truncate(let size):
            if size < bytes.count { bytes.removeSubrange(size...) }
            if size > bytes.count { bytes.append(contentsOf: repeatElement(0, count: size - bytes.count)) }
        case .write(let offset, let written):
            let end = offset + written.count
            if end > bytes.count { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
            bytes.replaceSubrange(offset..<end, with: written)
        }
    }

    /// The bytes of a file, for tests that damage them.
    public func contents(_ path: String) -> [UInt8]? {
        state.withLock { state in state.names[path].flatMap { state.files[$0]?.bytes } }
    }

    /// Replaces the bytes of a file, durably, as damage does.
    public func setContents(_ path: String, _ bytes: [UInt8]) {
        state.withLock { state in
            let number = state.names[path] ?? state.nextFile
            if state.names[path] == nil {
                state.nextFile += 1
                state.names[path] = number
                state.durableNames[path] = number
            }
            state.files[number] = File(bytes: bytes, durable: bytes)
        }
    }

    /// The paths of all files.
    public var paths: [String] { state.withLock { $0.names.keys.sorted() } }

    /// Counts a call and fails it if it is the one.
    private static func enter(
        _ state: inout State, _ operation: FileError.Operation, _ path: String
    ) throws(FileError) {
        guard state.isPowered else { throw FileError(operation: operation, path: path, code: .inputOutput) }
        state.calls += 1
        if let only = state.faults.failingOperation, only != operation { return }
        state.matching += 1
        guard let failing = state.faults.failingCall else { return }
        let fails = state.faults.isPersistent ? state.matching >= failing : state.matching == failing
        guard fails else { return }
        state.failed += 1
        throw FileError(operation: operation, path: path, code: state.faults.code)
    }

    private static func refuseIfReadOnly(
        _ state: State, _ operation: FileError.Operation, _ path: String
    ) throws(FileError) {
        if state.faults.isReadOnly { throw FileError(operation: operation, path: path, code: .readOnlyFileSystem) }
    }

    /// Runs `body` on the state and keeps the type of what it throws.
    private func access<Result: Sendable>(
        _ body: (inout State) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        let outcome: Swift.Result<Result, FileError> = state.withLock { state in
            do throws(FileError) {
                return .success(try body(&state))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    public func makeDirectory(_ path: String) throws(FileError) {
        try access { state throws(FileError) in
            try Self.enter(&state, .makeDirectory, path)
            guard state.directories.insert(path).inserted else {
                throw FileError(operation: .makeDirectory, path: path, code: .fileExists)
            }
        }
    }

    public func open(_ path: String, _ mode: OpenMode) throws(FileError) -> OpenFile {
        try access { state throws(FileError) in
            try Self.enter(&state, .open, path)
            if mode != .readOnly { try Self.refuseIfReadOnly(state, .open, path) }
            switch (state.names[path], mode) {
            case (nil, .readOnly), (nil, .readWrite):
                throw FileError(operation: .open, path: path, code: .noSuchFile)
            case (_?, .createNew):
                throw FileError(operation: .open, path: path, code: .fileExists)
            case (nil, _):
                state.files[state.nextFile] = File()
                state.names[path] = state.nextFile
                state.nameChanges.append(NameChange(name: path, file: state.nextFile))
                state.nextFile += 1
            case (_?, _): break
            }
            let descriptor = state.nextDescriptor
            state.nextDescriptor += 1
            state.open[descriptor] = state.names[path]
            return OpenFile(descriptor: descriptor, path: path)
        }
    }

    public func close(_ file: OpenFile) throws(FileError) {
        state.withLock { state in
            // Never fails and is not counted: it has nothing to lose, and a dead process's descriptors close too.
            state.open[file.descriptor] = nil
            state.locks[file.descriptor] = nil
        }
    }

    private static func number(
        _ state: State, _ operation: FileError.Operation, _ file: OpenFile
    ) throws(FileError) -> Int {
        guard let number = state.open[file.descriptor] else {
            throw FileError(operation: operation, path: file.path, code: .badDescriptor)
        }
        return number
    }

    public func read(
        _ file: OpenFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(FileError) -> Int {
        let bytes = try access { state throws(FileError) -> [UInt8] in
            try Self.enter(&state, .read, file.path)
            let bytes = state.files[try Self.number(state, .read, file)]?.bytes ?? []
            guard offset < bytes.count else { return [] }
            let count = min(buffer.count, bytes.count - offset, state.faults.transferMax)
            return Array(bytes[offset..<offset + count])
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }

    public func write(_ file: OpenFile, from buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        let all = Array(buffer)
        return try access { state throws(FileError) in
            try Self.enter(&state, .write, file.path)
            try Self.refuseIfReadOnly(state, .write, file.path)
            let number = try Self.number(state, .write, file)
            var count = min(all.count, state.faults.transferMax)
            let size = state.files[number]?.bytes.count ?? 0
            let growth = max(0, offset + count - size)
            let free = state.faults.capacity - Self.used(state)
            if growth > free { count -= growth - max(0, free) }
            guard count > 0 || all.isEmpty else {
                throw FileError(operation: .write, path: file.path, code: .noSpace)
            }
            let change = Change.write(offset: offset, bytes: Array(all[0..<count]))
            Self.apply(change, to: &state.files[number]!.bytes)
            state.files[number]!.changes.append(change)
            state.highest = max(state.highest, Self.used(state))
            return count
        }
    }

    public func synchronize(_ file: OpenFile) throws(FileError) {
        try access { state throws(FileError) in
            let number = try Self.number(state, .synchronize, file)
            do throws(FileError) {
                try Self.enter(&state, .synchronize, file.path)
            } catch {
                if state.isPowered {
                    state.files[number]!.lost += state.files[number]!.changes
                    state.files[number]!.changes = []
                }
                throw error
            }
            for change in state.files[number]!.changes {
                Self.apply(change, to: &state.files[number]!.durable)
                // What an earlier failure left behind is gone where these pages hold something else by now.
                state.files[number]!.lost.removeAll { Self.isReplaced($0, by: change) }
            }
            state.files[number]!.changes = []
        }
    }

    /// Whether a change that was never written can't be any more, since a later one of the same bytes has been.
    private static func isReplaced(_ lost: Change, by change: Change) -> Bool {
        switch (lost, change) {
        case (.write(let offset, let bytes), .write(let newOffset, let newBytes)):
            offset < newOffset + newBytes.count && newOffset < offset + bytes.count
        case (.write(let offset, let bytes), .truncate(let size)): size < offset + bytes.count
        case (.truncate(let size), .write(let offset, let bytes)): size < offset + bytes.count
        case (.truncate, .truncate): true
        }
    }

    public func synchronizeDirectory(_ path: String) throws(FileError) {
        try access { state throws(FileError) in
            try Self.enter(&state, .synchronizeDirectory, path)
            let synchronised = { (change: NameChange) in change.names.contains { $0.name.hasPrefix(path + "/") } }
            for change in state.nameChanges where synchronised(change) {
                for (name, file) in change.names { state.durableNames[name] = file }
            }
            state.nameChanges.removeAll(where: synchronised)
        }
    }

    public func truncate(_ file: OpenFile, to size: Int) throws(FileError) {
        try access { state throws(FileError) in
            try Self.enter(&state, .truncate, file.path)
            try Self.refuseIfReadOnly(state, .truncate, file.path)
            let number = try Self.number(state, .truncate, file)
            Self.apply(.truncate(size), to: &state.files[number]!.bytes)
            state.files[number]!.changes.append(.truncate(size))
        }
    }

    public func size(_ file: OpenFile) throws(FileError) -> Int {
        try access { state throws(FileError) in
            try Self.enter(&state, .size, file.path)
            return state.files[try Self.number(state, .size, file)]?.bytes.count ?? 0
        }
    }

    public func rename(_ path: String, to newPath: String) throws(FileError) {
        try access { state throws(FileError) in
            try Self.enter(&state, .rename, path)
            try Self.refuseIfReadOnly(state, .rename, path)
            guard let number = state.names.removeValue(forKey: path) else {
                throw FileError(operation: .rename, path: path, code: .noSuchFile)
            }
            state.names[newPath] = number
            state.nameChanges.append(NameChange(from: path, to: newPath, file: number))
        }
    }

    public func remove(_ path: String) throws(FileError) {
        try access { state throws(FileError) in
            try Self.enter(&state, .remove, path)
            try Self.refuseIfReadOnly(state, .remove, path)
            guard state.names.removeValue(forKey: path) != nil else {
                throw FileError(operation: .remove, path: path, code: .noSuchFile)
            }
            state.nameChanges.append(NameChange(name: path, file: nil))
        }
    }

    public func list(_ directory: String) throws(FileError) -> [String] {
        try access { state throws(FileError) in
            try Self.enter(&state, .list, directory)
            return state.names.keys.filter { $0.hasPrefix(directory + "/") }
                .map { String($0.dropFirst(directory.count + 1)) }.sorted()
        }
    }

    public func lock(_ file: OpenFile) throws(FileError) -> Bool {
        try access { state throws(FileError) in
            try Self.enter(&state, .lock, file.path)
            let number = try Self.number(state, .lock, file)
            if state.locks.contains(where: { $0.value == number && $0.key != file.descriptor }) { return false }
            state.locks[file.descriptor] = number
            return true
        }
    }

    public func randomSeed() -> UInt64 { state.withLock { $0.random.next() } }
}
