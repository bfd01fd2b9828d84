// Client libraries as applications use them, through the socket of a real Hearth with a real Redis behind it.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Libraries {
        /// A Hearth as it is by default, but for the time it gives a slow machine.
        private func fixture() throws -> (redis: RedisServer, hearth: HearthProcess) {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: redis.url, redisOptions: "timeout: 5s, soft_timeout: 1s",
                extra: "breaker: {slow_call: 60s}\nworkers: 2")
            try hearth.waitUntilClosed()
            return (redis, hearth)
        }

        /// Runs a script of checks, which prints a line for each; what went wrong.
        private func run(_ program: String, _ script: String, named name: String) throws {
            let (redis, hearth) = try fixture()
            let file = try hearth.directory.write(name, script)
            let (code, output) = try ChildProcess.run(
                program, [file, hearth.socketPath, redis.socketPath], in: hearth.directory, within: 600_000)
            let lines = output.split(separator: "\n")
            let passed = lines.filter { $0.hasPrefix("ok ") }
            print("\(name): \(passed.count) checks passed")
            for line in lines where !line.hasPrefix("ok ") { Issue.record("\(name): \(line)") }
            #expect(code == 0 && passed.count > 10, "\(name) ended with \(code)")
            let client = try hearth.client()
            try eventually("pins are given back") {
                try client.call("HEARTH", "STATUS").fields["pinned_connections"]?.integer == 0
            }
        }

        @Test func `redis-py's ordinary use works, check by check`() throws {
            guard let python = try Clients.python() else { return }
            try run(python, RedisPyChecks.script, named: "redis_py.py")
        }

        @Test func `redis-rb's ordinary use works, check by check`() throws {
            let directory = try TemporaryDirectory()
            guard let ruby = program("ruby"),
                try ChildProcess.run(ruby, ["-rredis", "-e", "0"], in: directory).code == 0
            else {
                print("skipped: ruby with redis-rb is not installed (apt-get install ruby-redis)")
                return
            }
            try run(ruby, RubyChecks.script, named: "checks.rb")
        }

        @Test func `redis-cli works as it is used by hand`() throws {
            let (redis, hearth) = try fixture()
            func shell(_ text: String) throws -> String {
                let command = "cd \(hearth.directory.path) && cli='redis-cli -s \(hearth.socketPath)' && \(text)"
                let (code, output) = try ChildProcess.run("/bin/sh", ["-c", command], in: hearth.directory)
                #expect(code == 0, "\(text): \(output)")
                return output
            }
            #expect(try shell("$cli -r 3 INCR n") == "1\n2\n3\n")
            #expect(
                try shell(#"printf 'SET a "x y"\nMULTI\nINCR n\nLPUSH l 1 2\nEXEC\nLRANGE l 0 -1\nNOSUCH\n' | $cli"#)
                    .hasPrefix("OK\nOK\nQUEUED\nQUEUED\n4\n2\n2\n1\nERR unknown command"))
            #expect(try shell("printf 'from a pipe' | $cli -x SET p; $cli GET p") == "OK\nfrom a pipe\n")
            let piped = try shell(
                #"for i in $(seq 1000); do printf 'SET pipe:%d v%d\r\nRPUSH many %d\r\n' $i $i $i; done | $cli --pipe; $cli LLEN many; $cli GET pipe:1000"#
            )
            #expect(piped.contains("errors: 0, replies: 2000") && piped.hasSuffix("1000\nv1000\n"), "\(piped)")
            #expect(try shell("$cli --scan --pattern 'pipe:*' | sort -u | wc -l").contains("1000"))
            let big = try shell("$cli --bigkeys")
            #expect(big.contains("1000 items") && !big.lowercased().contains("err"), "\(big.suffix(800))")
            #expect(try shell("$cli --memkeys").contains("Biggest"))
            #expect(
                try shell("$cli -3 --csv HSET h a 1 > out; $cli -3 --no-raw HGETALL h").contains("1# \"a\" => \"1\""))
            #expect(try shell("echo 'return KEYS[1] .. ARGV[1]' > s.lua; $cli --eval s.lua k , v") == "kv\n")

            let log = hearth.directory.file("listening")
            let subscriber = try ChildProcess(
                try #require(program("redis-cli")), ["-s", hearth.socketPath, "SUBSCRIBE", "news"], output: log)
            try eventually("redis-cli is subscribed") {
                try redis.client().call("PUBSUB", "NUMSUB", "news").items[1] == .integer(1)
            }
            #expect(try shell("$cli PUBLISH news hello") == "1\n")
            try eventually("the message is shown") { subscriber.output.contains("hello") }
            subscriber.signal(.interrupt)
            let monitor = try ChildProcess(
                try #require(program("redis-cli")), ["-s", hearth.socketPath, "MONITOR"],
                output: hearth.directory.file("monitoring"))
            try eventually("redis-cli monitors") { monitor.output.contains("OK") }
            _ = try redis.client().call("SET", "shown", "1")
            try eventually("the command is shown") { monitor.output.contains("\"shown\"") }
            monitor.signal(.interrupt)
        }

        @Test(arguments: [[], ["-P", "16"], ["-3", "-c", "5"]])
        func `redis-benchmark's standard list runs through without an error`(options: [String]) throws {
            let (redis, hearth) = try fixture()
            defer { withExtendedLifetime(redis) {} }
            let (code, output) = try ChildProcess.run(
                "redis-benchmark", ["-s", hearth.socketPath, "-q", "-n", "2000"] + options, in: hearth.directory,
                within: 300_000)
            let tests = [
                "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET",
                "SPOP", "ZADD", "ZPOPMIN", "LRANGE_100", "LRANGE_600", "MSET",
            ]
            for test in tests { #expect(output.contains(test), "\(test) is missing: \(output)") }
            #expect(code == 0 && !output.lowercased().contains("err"), "\(output)")
        }
    }
}
