// What is refused, where, and in which words.

import Configuration
import Testing

@Suite struct RefusalTests {
    @Test(arguments: [
        (
            "policies:\n  - prefix: ''\n  - prefix: a\n    max_stalenes: 5s",
            "4:5: unknown key \"max_stalenes\" in policies[1]; did you mean \"max_staleness\"?"
        ),
        ("redis: {tiemout: 1s}", "1:9: unknown key \"tiemout\" in redis; did you mean \"timeout\"?"),
        ("sockt: {}", "1:1: unknown key \"sockt\"; did you mean \"socket\"?"),
        ("max_bytes: 1", "1:1: unknown key \"max_bytes\""),
        ("soft_timeout: 1s", "1:1: unknown key \"soft_timeout\"; \"soft_timeout\" belongs under redis"),
        ("redis: {zzzzzz: 1}", "1:9: unknown key \"zzzzzz\" in redis"),
        ("workers: many", "1:10: workers: found \"many\", expected a whole number from 1 to 256"),
        ("workers: \"2\"", "1:10: workers: found the string \"2\", expected a whole number from 1 to 256"),
        ("workers: 0", "1:10: workers: found the number 0, expected a whole number from 1 to 256"),
        ("workers: [1]", "1:10: workers: found a list, expected a whole number from 1 to 256"),
        ("workers:", "1:9: workers: found nothing, expected a whole number from 1 to 256"),
        (
            "redis: {timeout: 100}",
            "1:18: redis.timeout: found the number 100, expected a duration with its unit, such as 100ms, 5s, 1h30m or 30d"
        ),
        (
            "redis: {timeout: 1m1h}",
            "1:18: redis.timeout: found \"1m1h\", expected a duration with its unit, such as 100ms, 5s, 1h30m or 30d"
        ),
        ("redis: {timeout: 2h}", "1:18: redis.timeout: found 2h, expected a duration from 1ms to 1m"),
        (
            "warm: {max_bytes: 1Gib}",
            "1:19: warm.max_bytes: found \"1Gib\", expected a number of bytes, such as 64KiB, 1MiB, 1GiB, 500MB or 4096"
        ),
        ("warm: {max_bytes: 1KiB}", "1:19: warm.max_bytes: found 1KiB, expected a size from 1MiB to 1024TiB"),
        ("socket: {mode: 0660}", "1:16: socket.mode: found the number 0660, expected the same in quotes: \"0660\""),
        (
            "socket: {mode: \"0999\"}",
            "1:16: socket.mode: found the string \"0999\", expected permission bits as a string of octal digits, such as \"0660\""
        ),
        (
            "socket: {path: 5}",
            "1:16: socket.path: found the number 5, expected a path of at most 107 bytes; put it in quotes"
        ),
        (
            "socket: {allow_uids: [1, -1]}",
            "1:26: socket.allow_uids: found the number -1, expected a whole number from 0 to 4294967294"
        ),
        (
            "socket: {tcp: '0.0.0.0:1'}",
            "1:15: socket.tcp: 0.0.0.0:1 can be reached from other machines; expected a numeric loopback address and port, such as 127.0.0.1:7381 or [::1]:7381, or off"
        ),
        (
            "redis: {url: nowhere}",
            "1:14: redis.url: not a URL: a scheme and :// are missing in front; expected redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N], or off"
        ),
        (
            "admin: {listen: ':7381'}",
            "1:17: admin.listen: found the string \":7381\", expected a numeric address and port, such as 127.0.0.1:7381 or [::1]:7381; for every interface write 0.0.0.0:7381"
        ),
        (
            "admin: {listen: 'localhost:1'}",
            "1:17: admin.listen: found the string \"localhost:1\", expected a numeric address and port, such as 127.0.0.1:7381 or [::1]:7381, or off"
        ),
        (
            "warm: {when_full: evit}",
            "1:19: warm.when_full: found \"evit\", expected auto, evict or refuse; did you mean evict?"
        ),
        (
            "local: {eviction: s3fifo}",
            "1:19: local.eviction: found \"s3fifo\", expected lru, s3-fifo or w-tinylfu; did you mean s3-fifo?"
        ),
        (
            "warm: {sync: sometimes}",
            "1:14: warm.sync: found \"sometimes\", expected auto, always, never, or an interval from 1ms to 1h, such as 1s"
        ),
        (
            "journal: {sync: auto}",
            "1:17: journal.sync: found \"auto\", expected always, never, or an interval from 1ms to 1h, such as 100ms"
        ),
        (
            "breaker: {failure_rate: 50}",
            "1:25: breaker.failure_rate: found the number 50, expected a share above 0 and at most 1, such as 0.5"
        ),
        ("policies: [{prefix: a, strict: yes}]", "1:32: policies[0].strict: found \"yes\", expected true or false"),
        (
            "policies: [{prefix: a, residency: {region: [x]}}]",
            "1:36: unknown key \"region\" in policies[0].residency; did you mean \"regions\"?"
        ),
        (
            "policies: [{prefix: a, residency: {regions: [eu]}}]",
            "1:45: policies[0].residency.regions: unknown region \"eu\": no region is named; say regions: [eu]"
        ),
        (
            "regions: [eu-west, us-east]\npolicies: [{prefix: a, residency: {regions: [eu-wst]}}]",
            "2:45: policies[0].residency.regions: unknown region \"eu-wst\", expected one of regions: eu-west, us-east; did you mean eu-west?"
        ),
        (
            "regions: [eu]\nwarm: {region: us}",
            "2:16: warm.region: unknown region \"us\", expected one of regions: eu"
        ),
        (
            "regions: [eu]\nlocal: {region: eu}\nredis: {region: eu}\npolicies: [{prefix: a, residency: {regions: [eu]}}]",
            "4:45: policies[0]: residency.regions is [eu], and warm.region is not given: say where it lies"
        ),
        (
            "regions: [eu, us]\nlocal: {region: eu}\nredis: {region: us}\nwarm: {region: us}\njournal: {region: us}\npolicies: [{prefix: a, residency: {regions: [eu]}}]",
            "6:45: policies[0]: no tier may keep these keys: residency.regions is [eu], and local is in eu, redis is in us, warm is in us, journal is in us; move a tier, or say residency.on_violation: refuse, and they are denied here"
        ),
        (
            "regions: [eu, us]\nlocal: {region: eu}\nredis: {region: us}\nwarm: {region: eu}\njournal: {region: eu}\npolicies: [{prefix: a, residency: {regions: [eu]}}]",
            "6:45: policies[0]: residency.regions is [eu] leaves redis out, so the warm tier is the authority of these keys, and what it evicts is lost; set warm.when_full: refuse (and warm.sync: always)"
        ),
        (
            "regions: [eu, us]\nlocal: {region: eu}\nredis: {region: eu}\nwarm: {region: eu}\njournal: {region: eu}\naudit: {path: /a, region: us}\npolicies: [{prefix: a, audit: all, residency: {regions: [eu]}}]",
            "7:57: policies[0]: residency.regions is [eu], audit.region is us, and lines of the audit hold keys; say audit.keys: hashed, or audit: off for these keys"
        ),
        (
            "regions: [eu west]",
            "1:11: regions: found the string \"eu west\", expected a region's name, such as eu-west, of letters, digits, - and _"
        ),
        (
            "policies: [{prefix: a, checkpoints: {every: 5}, consistency: strong}]",
            "1:45: policies[0]: checkpoints.every: 5 acknowledges steps from memory, and consistency: strong says that Redis has what is acknowledged; keep every: 1"
        ),
        (
            "policies: [{prefix: a, schema: {curent: 1}}]",
            "1:33: unknown key \"curent\" in policies[0].schema; did you mean \"current\"?"
        ),
        (
            "policies: [{prefix: a, schema: {current: 0}}]",
            "1:42: policies[0].schema.current: found the number 0, expected a whole number from 1 to 4503599627370495, or none"
        ),
        (
            "policies: [{prefix: a, schema: {current: 1, write_back: never}}]",
            "1:57: policies[0].schema.write_back: found \"never\", expected lazy or hold"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: {to: 2}}}]",
            "1:52: policies[0].schema.steps: found a mapping, expected a list of steps, such as [{to: 2, rename: {user.name: full_name}}]"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [2]}}]",
            "1:53: policies[0].schema.steps: found the number 2, expected a step, such as {to: 2, remove: [age]}"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{remove: [a]}]}}]",
            "1:53: policies[0].schema.steps: a step without to: the schema that it leads to"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 1}]}}]",
            "1:58: policies[0].schema.steps: to: 1 is the schema that the first step begins with"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: two}]}}]",
            "1:58: policies[0].schema.steps: to: found \"two\", expected a whole number from 1 to 4503599627370495"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, renam: {}}]}}]",
            "1:61: policies[0].schema.steps: unknown key \"renam\" in the step to 2, expected rename, move, remove, default or set; did you mean \"rename\"?"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, rename: [a]}]}}]",
            "1:69: policies[0].schema.steps: rename: found a list, expected a mapping of new names by path, such as {user.name: full_name}"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, remove: a}]}}]",
            "1:69: policies[0].schema.steps: remove: found \"a\", expected a list of paths, such as [user.age]"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, remove: [$.a]}]}}]",
            "1:70: policies[0].schema.steps: remove: \"$.a\" is no path: a path begins with a name, without the $; expected a path such as user.name, turns[*].text or users.*.name (other names as [\"a.b\"])"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, rename: {a.b: c.d}}]}}]",
            "1:75: policies[0].schema.steps: rename a.b: \"c.d\" is a path, and rename gives a name in the same object; to another place: move"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2, set: {a: 0x1F}}]}}]",
            "1:70: policies[0].schema.steps: found the number 0x1F, expected a number as JSON writes it, or a string in quotes"
        ),
        (
            "policies:\n- prefix: a\n  schema:\n    current: 2\n    steps:\n    - to: 2\n      rename: {user: person}\n      remove:\n      - user.age",
            "9:9: policies[0].schema.steps: remove user.age: it is gone by then, after rename user (rename, move, remove, default, set is the order)"
        ),
        (
            "policies: [{prefix: a, schema: {current: 4, steps: [{to: 2}, {to: 4}]}}]",
            "1:62: policies[0].schema.steps: to 4 after to 2: the step to 3 is missing"
        ),
        (
            "policies: [{prefix: a, schema: {current: 3, steps: [{to: 3}, {to: 2}]}}]",
            "1:62: policies[0].schema.steps: to 2 after to 3: steps stand in order"
        ),
        (
            "policies: [{prefix: a, schema: {current: 2, steps: [{to: 2}, {to: 3}]}}]",
            "1:67: policies[0].schema.steps: to 3 leads beyond schema.current (2)"
        ),
        (
            "policies: [{prefix: a, schema: {current: 5, steps: [{to: 2}, {to: 3}]}}]",
            "1:42: policies[0]: schema.current is 5, and the steps end at 3: the step to 4 is missing"
        ),
        (
            "policies: [{prefix: a, schema: {steps: [{to: 2}]}}]",
            "1:40: policies[0]: schema.steps without schema.current: which schema are values to have?"
        ),
        (
            "policies: [{prefix: '', schema: {current: 2, steps: [{to: 2}]}}, {prefix: a, schema: {current: 3}}]",
            "1:96: policies[1]: schema.current is 3, and the steps end at 2: the step to 3 is missing"
        ),
        (
            "policies: [{prefix: a, turns: {keep: 0}}]",
            "1:38: policies[0].turns.keep: found the number 0, expected a whole number from 1 to 100000"
        ),
        (
            "policies: [{prefix: a, turns: {unfolded: 100001}}]",
            "1:42: policies[0].turns.unfolded: found the number 100001, expected a whole number from 0 to 100000"
        ),
        (
            "policies: [{prefix: a, turns: {overflow: drop-oldst}}]",
            "1:42: policies[0].turns.overflow: found \"drop-oldst\", expected refuse, drop-oldest or archive; did you mean drop-oldest?"
        ),
        (
            "policies: [{prefix: a, turns: {overflow: archive}, tiers: [local, redis]}]",
            "1:42: policies[0]: turns.overflow: archive without warm among its tiers: there is no disk to keep turns on; "
                + "add warm to tiers, or say refuse or drop-oldest"
        ),
        (
            "warm: {compress_min: 63}",
            "1:22: warm.compress_min: found 63, expected a size from 64 to 512MiB"
        ),
        (
            "policies:\n- prefix: a\n  checkpoints:\n    kep: 3",
            "4:5: unknown key \"kep\" in policies[0].checkpoints; did you mean \"keep\"?"
        ),
        ("policies: [{prefix: a, turn: {}}]", "1:24: unknown key \"turn\" in policies[0]; did you mean \"turns\"?"),
        ("policies: [{prefix: a, turns.keep: 3}]", "1:24: unknown key \"turns.keep\" in policies[0]"),
        (
            "policies: [{prefix: a, turns: 3}]",
            "1:31: policies[0].turns: found the number 3, expected a mapping of keys such as keep and unfolded"
        ),
        (
            "policies: [{prefix: a, checkpoints: [3]}]",
            "1:37: policies[0].checkpoints: found a list, expected a mapping of keys such as keep and every"
        ),
        (
            "policies: [{prefix: a, throttle: {on_outage: never}}]",
            "1:46: policies[0].throttle: on_outage: found \"never\", expected share, deny or allow"
        ),
        (
            "policies: [{prefix: a, throttle: {share: 1.5}}]",
            "1:42: policies[0].throttle: share: found the number 1.5, expected a share above 0 and at most 1, such as 0.5"
        ),
        (
            "policies: [{prefix: a, throttle: deny}]",
            "1:34: policies[0].throttle: found \"deny\", expected a mapping of on_outage and share, such as {on_outage: share, share: 0.25}"
        ),
        (
            "policies: [{prefix: a, throttle: {rate: 1}}]",
            "1:41: policies[0].throttle: unknown key \"rate\"; expected a mapping of on_outage and share, such as {on_outage: share, share: 0.25}"
        ),
        (
            "policies: [{prefix: a, audit: all}]",
            "1:31: policies[0]: audit: all without audit.path: there is no file to tell of it"
        ),
        (
            "policies: [{prefix: a, wait_replicas: -1}]",
            "1:39: policies[0].wait_replicas: found the number -1, expected a whole number from 0 to 1000"
        ),
        (
            "redis: {url: off}\npolicies: [{prefix: a, wait_replicas: 1}]",
            "2:39: policies[0]: wait_replicas: 1 while redis.url is off: there are no replicas to wait for"
        ),
        (
            "policies: [{prefix: a, wait_replicas: 2, tiers: [local]}]",
            "1:39: policies[0]: wait_replicas: 2 without redis among its tiers: there are no replicas to wait for"
        ),
        ("policies: [{ttl: 1s}]", "1:12: policies[0] has no prefix; the one for every key is \"\""),
        (
            "policies: [{prefix: null}]",
            "1:21: policies[0].prefix: found null, expected a string; the one for every key is \"\""
        ),
        ("policies: {prefix: a}", "1:11: policies: found a mapping, expected a list of policies, each with a prefix"),
        ("policies: [a]", "1:12: policies[0]: found \"a\", expected a mapping of prefix and other keys"),
        (
            "policies:\n- {prefix: a}\n- {prefix: a}",
            "3:12: policies[1]: the prefix \"a\" already has a policy, policies[0] in line 2"
        ),
        ("redis: off", "1:8: redis: found \"off\", expected a mapping of keys such as url and password"),
        ("- a", "1:1: the file: found a list, expected a mapping of keys such as socket and redis"),
    ])
    func `a value that can't be is refused with its place, what it is and what is expected`(
        text: String, expected: String
    ) {
        #expect(refusals(text) == ["hearth.yaml:\(expected)"])
    }

    @Test(arguments: [
        (
            "redis: {soft_timeout: 200ms}",
            "1:23: redis.soft_timeout (200ms) is longer than redis.timeout (100ms, the default): it would never pass"
        ),
        (
            "redis: {timeout: 10ms}",
            "1:18: redis.soft_timeout (20ms, the default) is longer than redis.timeout (10ms): it would never pass"
        ),
        (
            "breaker: {open: 1m}",
            "1:17: breaker.open (1m) is longer than breaker.open_max (30s, the default): the time open grows from the one to the other"
        ),
        (
            "limits: {max_value: 128MiB, max_output: 1GiB}",
            "1:21: limits.max_value (128MiB) is more than limits.max_request (64MiB, the default): no request could bring such a value"
        ),
        (
            "redis: {password: x, password_file: y}",
            "1:19: redis.password is given as well as redis.password_file (\"y\"): keep one of them"
        ),
        (
            "redis: {url: off}\nwarm: {when_full: evict}",
            "2:19: warm.when_full (evict) can't go with redis.url (off): the warm tier is then the authority, and what it evicts is lost; use auto or refuse"
        ),
        (
            "warm: {path: /a}\njournal: {path: /a}",
            "1:14: warm.path (\"/a\") is also journal.path (\"/a\"): each needs a directory of its own"
        ),
        (
            "redis: {url: 'unix:///run/hearth/hearth.sock'}",
            "1:14: socket.path (\"/run/hearth/hearth.sock\", the default) is the socket of redis.url (\"unix:///run/hearth/hearth.sock\"): Hearth would ask itself"
        ),
        (
            "local: {max_bytes: 1MiB, shards: 32}",
            "1:34: local.shards (32) is too many for local.max_bytes (1MiB): a shard needs at least 64KiB"
        ),
        (
            "socket: {tcp: '127.0.0.1:7381'}",
            "1:15: socket.tcp (\"127.0.0.1:7381\") is also admin.listen (\"127.0.0.1:7381\", the default): give them different ports"
        ),
        (
            "policies: [{prefix: a, sliding: true}]",
            "1:33: policies[0]: sliding without ttl: there is no life to extend"
        ),
        (
            "policies: [{prefix: a, ttl: 2h, retention: 1h}]",
            "1:44: policies[0]: ttl (2h) is more than retention (1h): nothing lives longer than that"
        ),
        (
            "policies: [{prefix: a, max_value: 9MiB}]",
            "1:35: policies[0]: max_value (9MiB) is more than limits.max_value (8MiB)"
        ),
        (
            "policies: [{prefix: a, max_local_value: 9MiB}]",
            "1:41: policies[0]: max_local_value (9MiB) is more than a shard holds (local.max_bytes / local.shards = 8MiB)"
        ),
        (
            "policies: [{prefix: a, strict: true, consistency: strong}]",
            "1:32: policies[0]: strict applies to bounded, not to strong"
        ),
        (
            "redis: {url: off}\npolicies: [{prefix: a, tiers: [local]}]",
            "2:31: policies[0]: tiers without warm while redis.url is off: nobody would keep these keys"
        ),
    ])
    func `values that contradict each other are refused at whichever was written`(text: String, expected: String) {
        #expect(refusals(text) == ["hearth.yaml:\(expected)"])
    }

    @Test func `everything that is wrong is listed, in the file's order, then environment and flags`() {
        let lines = refusals(
            "wokers: 1\nredis:\n  timeout: 5\n  url: ftp://x\nworkers: a\n", environment: ["HEARTH_WORKERS": "x"],
            flags: [("--drain", "1")])
        #expect(
            lines.map { $0.prefix { $0 != " " } } == [
                "hearth.yaml:1:1:", "hearth.yaml:3:12:", "hearth.yaml:4:8:", "hearth.yaml:5:10:", "environment", "flag",
            ])
    }

    @Test func `more than a hundred problems are counted, not listed`() {
        let text = (0..<150).map { "x\($0): 1" }.joined(separator: "\n")
        #expect(refusals(text).count == 100)
        #expect { try Configuration.load(text: text) } throws: { "\($0)".hasSuffix("and 50 more") }
    }

    @Test(arguments: [
        (
            "a: [1, 2\nb: 3",
            "2:2: not YAML: did not find expected ',' or ']' (while parsing a flow sequence that began at 1:4)"
        ),
        ("workers: 1\n  drain: 1s", "2:8: not YAML: mapping values are not allowed in this context"),
        ("workers: 1\nworkers: 2", "2:1: the key \"workers\" was already given in line 1"),
        ("workers: &a 1", "1:10: an anchor (&) is not supported here; write the value"),
        ("workers: !!int 1", "1:10: a tag (!) is not supported here; write the value"),
        ("workers: 1\n---\nworkers: 2", "2:1: a second document; one file holds one"),
        ("[a]: 1", "1:1: a key must be plain text"),
        (
            String(repeating: "{a: ", count: 17) + "1" + String(repeating: "}", count: 17),
            "1:65: nested deeper than 16 levels"
        ),
    ])
    func `YAML that is broken or has what no configuration needs is refused`(text: String, expected: String) {
        #expect(refusals(text).first { $0.contains(expected.split(separator: ":")[2]) } == "hearth.yaml:\(expected)")
    }

    @Test func `a billion laughs are refused at the first alias`() {
        let text = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
        #expect(refusals(text).contains("hearth.yaml:2:8: an alias (*) is not supported here; write the value"))
    }

    @Test func `a megabyte of brackets is refused at once`() {
        let began = ContinuousClock.now
        let lines = refusals(String(repeating: "[", count: 1 << 20))
        #expect(lines == ["hearth.yaml:1:17: nested deeper than 16 levels"])
        #expect(began.duration(to: .now) < .seconds(5))
    }

    @Test func `bytes that are not UTF-8 are refused at their line and column`() {
        #expect { try Configuration.load(text: Array("workers: 1\nlog: é".utf8) + [0xff]) } throws: {
            "\($0)".hasPrefix("hearth.yaml:2:7: not text in UTF-8")
        }
    }

    @Test func `a file beyond 1 MiB is refused unread`() {
        let text = "# " + String(repeating: "x", count: 1 << 20)
        #expect(refusals(text) == ["hearth.yaml:1:1: the file has 1048578 bytes; at most 1048576 (1MiB) are read"])
    }
}
