// The script that carries journaled writes out in Redis: compare and set as one, each of them once.
//
// DESIGN. One call does the entries of one unit, in order. The marker holds the sequence number of the last entry that
// was done for these keys, and is set by the same call: an entry at or below it was done before, whoever lost the
// answer. It lies in the hash slot of the unit's first key. The marker is written first, with `call`, so that a Redis
// that takes no writes now (OOM, READONLY, MISCONF) refuses the whole before anything was done.
//
// Per entry, for each key whose value it replaces, what Redis holds is compared by digest with the states that are no
// conflict. `OBJECT IDLETIME` is asked before anything touches the key: in seconds since it was last used at all.
//
// Source: https://redis.io/docs/interact/programmability/eval-intro/ (scripts are atomic; redis.sha1hex).

internal import Primitives
internal import RedisTier
internal import State

/// The scripts by which the replay is known to a simulation of Redis.
public enum ReplayScripts {
    public static var text: String { ReplayScript.text }
    public static var clearText: String { ReplayScript.clearText }
    public static var digest: [UInt8] { ReplayScript.digest }
}

enum ReplayScript {
    /// KEYS: the marker, then the unit's keys. ARGV: the marker's life in milliseconds; who deletes, and the length of
    /// the stream of deletions; then per entry: its sequence; its number of comparisons, each of them key, rule for a
    /// conflict, rule for an unknown base or `-`, age in milliseconds, number of states and the states; its number of
    /// commands, each of them number of words and words.
    ///
    /// Answers one array per entry: `ok`, or `overwrote`, `kept` or `failed` and then key, type and value of each key
    /// concerned. Of an entry that was done before it is the answer that was given then: the marker keeps it.
    static let text = """
        \(DeletionScript.telling)
        local marker = KEYS[1]
        local last = tonumber(redis.call('HGET', marker, 'sequence') or '0')
        local known = {}
        if last > 0 then
          local packed = redis.call('HGET', marker, 'answers')
          if packed then known = cmsgpack.unpack(packed) end
        end
        if tonumber(ARGV[#ARGV]) > last then
          redis.call('HSET', marker, 'sequence', ARGV[#ARGV])
          redis.call('PEXPIRE', marker, ARGV[1])
        end
        local at, answers, hasNews = 4, {}, false
        local function take() at = at + 1 return ARGV[at - 1] end
        local function found(key)
          local idle = redis.pcall('OBJECT', 'IDLETIME', key)
          local kind = redis.call('TYPE', key)['ok']
          if kind == 'none' then return 'absent', kind, false, idle end
          local record = kind == 'hash' and redis.call('HMGET', key, 'version', 'operations', 'deleted')
          if record and record[1] and record[2] then
            if record[3] then return 'absent', 'none', false, idle end
            local state = redis.sha1hex('record:' .. record[1] .. ':' .. string.sub(record[2], 1, 16))
            return state, kind, false, idle
          end
          if kind ~= 'string' then return 'other', kind, false, idle end
          local value = redis.call('GET', key)
          return redis.sha1hex(value), kind, value, idle
        end
        local function perform(words)
          if words[1] == 'DEL' then tell({words[2]}, ARGV[2], ARGV[3]) end
          if words[1] == 'DEL' and redis.call('TYPE', words[2])['ok'] == 'hash' then
            local kept = redis.call('HMGET', words[2], 'version', 'created_ms', 'updated_ms', 'fence', 'operations',
              'deleted')
            if kept[5] and kept[1] and string.match(kept[1], '^%d+$') then
              if kept[6] then return 0 end
              redis.call('UNLINK', words[2])
              redis.call('HSET', words[2], 'version', kept[1], 'created_ms', kept[2] or '0',
                'updated_ms', kept[3] or '0', 'fence', kept[4] or '0', 'operations', kept[5], 'deleted', '1')
              redis.call('HINCRBY', words[2], 'version', 1)
              return redis.call('PEXPIRE', words[2], 86400000)
            end
          end
          return redis.pcall(unpack(words))
        end
        while at < #ARGV do
          local name = take()
          local isDone, skip, met, errors = tonumber(name) <= last, false, {}, {}
          for _ = 1, tonumber(take()) do
            local key, conflict, unknown, age = take(), take(), take(), tonumber(take())
            local matches, state, kind, value, idle = false
            if not isDone then state, kind, value, idle = found(key) end
            for _ = 1, tonumber(take()) do if take() == state then matches = true end end
            if not isDone and not matches then
              local rule = conflict
              if unknown ~= '-' then rule = kind == 'none' and 'accept' or unknown end
              if rule == 'newest-known' then
                rule = type(idle) == 'number' and idle * 1000 > age + 1000 and 'overwrite' or 'keep'
              end
              if rule == 'keep' then skip = true end
              if rule ~= 'accept' then
                met[#met + 1] = key
                met[#met + 1] = kind
                met[#met + 1] = value and string.sub(value, 1, 1048576) or ''
              end
            end
          end
          for _ = 1, tonumber(take()) do
            local words = {}
            for word = 1, tonumber(take()) do words[word] = take() end
            if not isDone and not skip then
              local reply = perform(words)
              if type(reply) == 'table' and reply['err'] then
                errors[#errors + 1] = words[2]
                errors[#errors + 1] = reply['err']
                errors[#errors + 1] = ''
              end
            end
          end
          local answer = {'ok'}
          if isDone then
            answer = known[name] or answer
          elseif #met > 0 then
            answer = met
            table.insert(answer, 1, skip and 'kept' or 'overwrote')
          elseif #errors > 0 then
            answer = errors
            table.insert(answer, 1, 'failed')
          end
          if not isDone and #answer > 1 then
            known[name] = answer
            hasNews = true
          end
          answers[#answers + 1] = answer
        end
        if hasNews then redis.call('HSET', marker, 'answers', cmsgpack.pack(known)) end
        return answers
        """

    /// Takes markers away that still hold what they held when their entries were noted as settled.
    static let clearText = """
        for i, marker in ipairs(KEYS) do
          if redis.call('HGET', marker, 'sequence') == ARGV[i] then redis.call('DEL', marker) end
        end
        return 0
        """

    static let digest = SHA1Digest(Array(text.utf8)).hexadecimal

    /// How long a marker is kept where nobody takes it away, in milliseconds: a sidecar that comes back later than so
    /// after a crash in the middle of a replay may do an INCR a second time.
    static let markerLife: Int64 = 7 * 24 * 3600 * 1000

    /// The marker of entries whose first key is `key`, in a journal of this identity.
    static func marker(for key: [UInt8], identity: UInt64) -> [UInt8] {
        let tag = HashSlot.companionTag(of: key)
        let id = String(identity, radix: 16)
        return Array("hearth:op:\(id):{".utf8) + tag + Array("}:".utf8) + SHA1Digest(key).hexadecimal
    }

    /// The words behind EVALSHA's digest or EVAL's text.
    static func arguments(
        _ unit: PendingWrites.Unit, marker: [UInt8], policies: PolicyTable, deleter: [[UInt8]],
        isOtherProcess: (UInt64) -> Bool,
        now: Timestamp
    ) -> [[UInt8]] {
        let keys = unit.keys
        var words = [decimal(Int64(keys.count + 1)), marker] + keys
        words.append(decimal(markerLife))
        words += deleter
        for (index, write) in unit.writes.enumerated() {
            words.append(decimal(Int64(unit.sequences[index])))
            let effects = write.effects
            let checked = write.bases.filter { key, base in
                let effect = effects[key]
                return effect?.replaces ?? false && !(base.isUnknown && effect?.beginsWithDelete ?? false)
            }
            words.append(decimal(Int64(checked.count)))
            for (key, base) in checked {
                let policy = policies.policy(for: key)
                let rule = base.mayBeOurs ? .overwrite : policy.onConflict
                words += [key, Array(rule.rawValue.utf8)]
                words.append(Array((base.isUnknown ? policy.onUnknownBase.rawValue : "-").utf8))
                words.append(decimal(max(0, now.milliseconds(since: unit.acceptedAt[index]))))
                var states = (base.states + [effects[key]?.ownState].compactMap { $0 }).map(\.word)
                // A Redis that is another process and has nothing has lost it: nobody took the key away.
                if isOtherProcess(write.redisProcess) { states.append(KnownState.absent.word) }
                words.append(decimal(Int64(states.count)))
                words += states
            }
            let commands = write.operations.flatMap { command($0, now: now) }
            words.append(decimal(Int64(commands.count)))
            for command in commands { words += [decimal(Int64(command.count))] + command }
        }
        // The marker's new content stands last, after everything that is read in order.
        words.append(decimal(Int64(unit.sequences[unit.sequences.count - 1])))
        return words
    }

    /// The commands that an operation is in Redis; times become what is left of them.
    private static func command(_ operation: JournaledWrite.Operation, now: Timestamp) -> [[[UInt8]]] {
        let key = operation.key
        func words(_ name: String, _ rest: [UInt8]...) -> [[[UInt8]]] { [[Array(name.utf8), key] + rest] }
        func left(_ time: Timestamp) -> Int64 { time.milliseconds(since: now) }
        switch operation.write {
        case .set(let value, .at(let time), _, _):
            // A life that ended before it could be replayed: what it would have replaced goes.
            return left(time) > 0 ? words("SET", value, Array("PX".utf8), decimal(left(time))) : words("DEL")
        case .set(let value, .keep, _, _): return words("SET", value, Array("KEEPTTL".utf8))
        case .set(let value, .clear, _, _): return words("SET", value)
        case .delete: return words("DEL")
        case .expire(let time, _): return left(time) > 0 ? words("PEXPIRE", decimal(left(time))) : words("DEL")
        case .persist: return words("PERSIST")
        case .increment(let step): return words("INCRBY", decimal(step))
        case .incrementFloat(let step): return words("INCRBYFLOAT", step)
        case .append(let bytes): return words("APPEND", bytes)
        case .setRange(let offset, let bytes): return words("SETRANGE", decimal(offset), bytes)
        case .record, .getDelete, .getExpire, .throttle:
            preconditionFailure("BUG: \(operation.write.name) in the script of a replay")
        }
    }

    static func decimal(_ value: Int64) -> [UInt8] { Array(String(value).utf8) }
}

extension KnownState {
    /// As the script compares it.
    var word: [UInt8] {
        switch self {
        case .absent: Array("absent".utf8)
        case .value(let digest): digest.hexadecimal
        }
    }
}
