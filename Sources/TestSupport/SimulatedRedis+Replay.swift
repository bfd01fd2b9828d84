// The replay's scripts in the simulated Redis, written from what they promise and not translated from their text.

internal import Primitives
internal import Tiers

extension SimulatedRedis {
    /// EVALSHA and EVAL of the replay's scripts; nil for another script.
    func replay(_ a: [[UInt8]], byDigest: Bool) -> Reply? {
        let isReplay = byDigest ? a[1] == ReplayScripts.digest : a[1] == Array(ReplayScripts.text.utf8)
        let isClear = !byDigest && a[1] == Array(ReplayScripts.clearText.utf8)
        guard isReplay || isClear else {
            return byDigest ? .error("NOSCRIPT No matching script. Please use EVAL.") : nil
        }
        if byDigest, !knowsReplay { return .error("NOSCRIPT No matching script. Please use EVAL.") }
        if isReplay { knowsReplay = true }
        let count = Int(String(decoding: a[2], as: UTF8.self)) ?? 0
        let keys = Array(a[3..<3 + count])
        let rest = Array(a[(3 + count)...])
        return isReplay ? carryOutReplay(keys, rest) : clearMarkers(keys, rest)
    }

    private func clearMarkers(_ keys: [[UInt8]], _ sequences: [[UInt8]]) -> Reply {
        for (key, sequence) in zip(keys, sequences) where text(key) == sequence {
            store(key, nil)
            replayAnswers[key] = nil
        }
        return .integer(0)
    }

    /// What tells a record's state from every other, as the replay compares it.
    private func recordState(_ key: [UInt8]) -> [UInt8]? {
        guard case .hash(let fields)? = live(key)?.content, let version = fields[Array("version".utf8)] else {
            return nil
        }
        if fields[Array("deleted".utf8)] != nil { return Array("absent".utf8) }
        let operation = (fields[Array("operations".utf8)] ?? []).prefix(16)
        return SHA1Digest(Array("record:".utf8) + version + Array(":".utf8) + operation).hexadecimal
    }

    private func text(_ key: [UInt8]) -> [UInt8]? {
        if case .string(let bytes)? = live(key)?.content { bytes } else { nil }
    }

    private func carryOutReplay(_ keys: [[UInt8]], _ words: [[UInt8]]) -> Reply {
        if condition == .readonly { return .error("READONLY You can't write against a read only replica.") }
        if condition == .outOfMemory { return .error("OOM command not allowed when used memory > 'maxmemory'.") }
        if condition == .misconfigured {
            return .error("MISCONF Errors writing to the AOF file: No space left on device")
        }
        var rest = words.dropFirst(3)
        func number(_ word: [UInt8]) -> Int64 { Int64(String(decoding: word, as: UTF8.self)) ?? -1 }
        func take() -> [UInt8] { rest.removeFirst() }
        func takeNumber() -> Int64 { number(take()) }
        let applied = text(keys[0]).map(number) ?? 0
        if let last = words.last, number(last) > applied {
            store(keys[0], Entry(content: .string(last), expiresAt: now.advanced(byMilliseconds: number(words[0]))))
        }
        var answers: [Reply] = []
        while rest.count > 1 {
            let sequence = takeNumber()
            let isNew = sequence > applied
            var met: [Reply] = []
            var errors: [Reply] = []
            var isSkipped = false
            for _ in 0..<takeNumber() {
                let (key, conflict, unknown) = (take(), take(), take())
                _ = takeNumber()
                let states = (0..<takeNumber()).map { _ in take() }
                let held = text(key)
                let kind = live(key)?.typeName ?? "none"
                let state =
                    kind == "none"
                    ? Array("absent".utf8) : held.map { SHA1Digest($0).hexadecimal } ?? recordState(key) ?? []
                guard isNew, !states.contains(state) else { continue }
                if unknown != Array("-".utf8), kind == "none" { continue }
                let rule = String(decoding: unknown == Array("-".utf8) ? conflict : unknown, as: UTF8.self)
                if rule != "overwrite" { isSkipped = true }
                met += [.string(key), .string(Array(kind.utf8)), .string(held ?? [])]
            }
            for _ in 0..<takeNumber() {
                let command = (0..<takeNumber()).map { _ in take() }
                guard isNew, !isSkipped else { continue }
                if command[0] == Array("DEL".utf8) {
                    tell([command[1]], by: words[1], length: words[2])
                    delete(command[1], life: 86_400_000)
                } else if case .error(let text) = execute(command) {
                    errors += [.string(command[1]), .string(text), .string([])]
                }
            }
            func answer(_ word: String, _ fields: [Reply]) -> Reply { .array([.string(Array(word.utf8))] + fields) }
            if isNew, !met.isEmpty || !errors.isEmpty {
                let isMet = !met.isEmpty
                replayAnswers[keys[0], default: [:]][sequence] = answer(
                    isMet ? isSkipped ? "kept" : "overwrote" : "failed", isMet ? met : errors)
            }
            answers.append(replayAnswers[keys[0]]?[sequence] ?? answer("ok", []))
        }
        return .array(answers)
    }
}
