// Rate limits in Redis: one script judges and remembers, by Redis's own clock, so that all sidecars agree.
//
// It does what State/Throttle.swift does, number by number: every product is below 2^53, so a double holds it exactly,
// and so are the quotients' floors. Redis's effects are replicated, not the script: a replica never asks for the time.

internal import Primitives
internal import State

enum ThrottleScript {
    /// KEYS[1] is the limit; ARGV are burst, count, the period in microseconds and the quantity.
    static let text = Array(
        """
        if redis.replicate_commands then redis.replicate_commands() end
        local held = redis.pcall('GET', KEYS[1])
        if type(held) == 'table' and held.err then return held end
        local burst, count = tonumber(ARGV[1]), tonumber(ARGV[2])
        local period, quantity = tonumber(ARGV[3]), tonumber(ARGV[4])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local before = 0
        if held then
          local moment, part, parts = string.match(held, '^(%d+) (%d+)/(%d+)$')
          moment, part, parts = tonumber(moment), tonumber(part), tonumber(parts)
          if not moment or parts < 1 or part >= parts then
            return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value')
          end
          if moment >= now then
            if parts ~= count then part = math.ceil(part * count / parts) end
            before = (moment - now) * count + part
          end
        end
        local brim, rise = (burst + 1) * period, quantity * period
        local after = before + rise
        local limited, level, retry = 0, after, -1
        if after > brim then
          limited, level = 1, before
          if rise <= brim then retry = math.ceil((after - brim) / (count * 1000000)) end
        elseif quantity > 0 then
          local part = after % count
          local moment = now + (after - part) / count
          redis.call('SET', KEYS[1], string.format('%.0f %.0f/%.0f', moment, part, count),
            'PX', string.format('%.0f', math.floor((moment - now) / 1000) + 1))
        end
        return {limited, burst + 1, math.max(0, math.floor((brim - level) / period)), retry,
          math.ceil(level / (count * 1000000))}
        """.utf8)

    static let digest = SHA1Digest(text).hexadecimal

    /// The request, by the script's digest or with its text.
    static func words(_ throttle: Throttle, _ key: [UInt8], byDigest: Bool) -> [[UInt8]] {
        let numbers = [throttle.burst, throttle.count, throttle.period, throttle.quantity]
        return [Array((byDigest ? "EVALSHA" : "EVAL").utf8), byDigest ? digest : text, [UInt8(ascii: "1")], key]
            + numbers.map { Array(String($0).utf8) }
    }
}
