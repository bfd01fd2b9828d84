// Clients as applications use them: redis-cli, redis-benchmark and redis-py, for real.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Clients {
        @Test(arguments: ["redis", "embedded"])
        func `redis-cli and redis-benchmark work`(mode: String) throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: mode == "redis" ? redis.url : "off", redisOptions: HearthProcess.patient,
                extra: "breaker: {slow_call: 10s}")
            if mode == "redis" { try hearth.waitUntilClosed() }
            func cli(_ arguments: String...) throws -> String {
                try ChildProcess.run("redis-cli", ["-s", hearth.socketPath] + arguments, in: hearth.directory).output
            }
            #expect(try cli("SET", "greeting", "hello world") == "OK\n")
            #expect(try cli("GET", "greeting") == "hello world\n")
            #expect(try cli("-3", "HEARTH", "EXPLAIN", "greeting").contains("local"))
            #expect(try cli("-3", "MGET", "greeting", "nothing").contains("hello world"))
            #expect(try cli("INFO").contains("redis_version:"))
            // Redis's answer has keys of Hearth's own as well, such as that by which a probe has written.
            let keys = try cli("--scan").split(separator: "\n").filter { !$0.hasPrefix("hearth:") }
            #expect(keys == ["greeting"])
            #expect(try cli("NOSUCH").hasPrefix("ERR unknown command 'NOSUCH'"))
            let (code, output) = try ChildProcess.run(
                "redis-benchmark",
                [
                    "-s", hearth.socketPath, "-t", "get,set", "-P", "16", "-n", mode == "redis" ? "40000" : "10000",
                    "-r", "1000", "-q",
                ],
                in: hearth.directory, within: 300_000)
            #expect(code == 0)
            #expect(
                output.contains("GET:") && output.contains("SET:") && output.contains("requests per second"),
                "\(output)")
            #expect(!output.lowercased().contains("error"), "\(output)")
            print(
                "\(mode): \(output.split(whereSeparator: { $0 == "\n" || $0 == "\r" }).filter { $0.contains("per second") }.joined(separator: "; "))"
            )
        }

        @Test(arguments: ["redis", "embedded"])
        func `redis-py works with strings, pipelines, transactions, pools, RESP3 and decoded responses`(mode: String)
            throws
        {
            guard let python = try Self.python() else { return }
            let redis = try RedisServer()
            let hearth = try HearthProcess(
                redis: mode == "redis" ? redis.url : "off", redisOptions: HearthProcess.patient,
                extra: "breaker: {slow_call: 10s}")
            if mode == "redis" { try hearth.waitUntilClosed() }
            let script = try hearth.directory.write("client.py", Self.script)
            let (code, output) = try ChildProcess.run(
                python, [script, hearth.socketPath], in: hearth.directory, within: 300_000)
            #expect(code == 0 && output.hasSuffix("all fine\n"), "\(output)")
        }

        /// The version of .ci/scripts/python.
        private static let redisPy = "6.4.0"

        /// A Python with redis-py, in an environment beside the build; nil, and why, where it can't be had.
        static func python() throws -> String? {
            if interpreter == nil {
                print("skipped: redis-py can't be installed here (python3 with venv, and pip's index, are needed)")
            }
            return interpreter
        }

        /// Looked for once: without a network each attempt takes its time.
        private static let interpreter: String? = {
            guard let directory = try? TemporaryDirectory(), let hearth = try? built("hearth") else { return nil }
            let environment = hearth.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/redis-py-venv"
            let python = "\(environment)/bin/python"
            func succeeds(_ name: String, _ words: String...) -> Bool {
                (try? ChildProcess.run(name, words, in: directory, within: 600_000))?.code == 0
            }
            func hasLibrary() -> Bool {
                succeeds(python, "-c", "import redis; assert redis.__version__ == '\(redisPy)'")
            }
            guard !hasLibrary() else { return python }
            guard program("python3") != nil, succeeds("python3", "-m", "venv", environment),
                succeeds(python, "-m", "pip", "install", "-q", "redis==\(redisPy)"), hasLibrary()
            else { return nil }
            return python
        }()

        private static let script = #"""
            import sys, threading, redis

            path = sys.argv[1]
            for protocol in (2, 3):
                r = redis.Redis(unix_socket_path=path, protocol=protocol, decode_responses=True)
                assert r.ping()
                r.flushdb()
                assert r.set("k", "caf\u00e9") is True and r.get("k") == "caf\u00e9"
                assert r.set("k", "x", nx=True) is None and r.set("k", "v2", xx=True, get=True) == "caf\u00e9"
                assert r.set("k", "v", ex=100) and 98 <= r.ttl("k") <= 100 and r.pttl("k") > 90000
                assert r.getex("k", persist=True) == "v" and r.ttl("k") == -1 and r.ttl("none") == -2
                assert r.expire("k", 50, nx=True) is True and r.expire("k", 60, nx=True) is False and r.persist("k") is True
                assert r.mset({"a": 1, "b": 2}) and r.mget("a", "b", "c") == ["1", "2", None]
                assert r.msetnx({"a": 3, "d": 4}) is False
                assert r.incr("a") == 2 and r.decrby("a", 5) == -3 and abs(r.incrbyfloat("a", 0.5) - -2.5) < 1e-9
                assert r.append("s", "abc") == 3 and r.strlen("s") == 3 and r.getrange("s", 1, 2) == "bc"
                assert r.setrange("s", 5, "x") == 6 and r.exists("s", "s", "none") == 2 and r.type("s") == "string"
                assert r.getdel("s") == "abc\x00\x00x" and r.get("s") is None and r.getset("a", "z") == "-2.5"
                assert r.delete("a", "b", "none") == 2 and r.unlink("k") == 1
                assert r.client_setname("me") and r.client_getname() == "me" and r.client_id() > 0
                assert "redis_version" in r.info() and r.echo("e") == "e" and len(r.time()) == 2
                pipe = r.pipeline(transaction=False)
                for i in range(500): pipe.set(f"p{i}", i).get(f"p{i}")
                out = pipe.execute()
                assert out == [x for i in range(500) for x in (True, str(i))]
                pipe = r.pipeline()
                pipe.set("t", 1).incr("t").get("t").expire("t", 10).ttl("t").get("none")
                assert pipe.execute() == [True, 2, "2", True, 10, None]
                pipe = r.pipeline()
                pipe.set("t", "abc").incr("t").set("u", 1)
                out = pipe.execute(raise_on_error=False)
                assert out[0] is True and isinstance(out[1], redis.ResponseError) and out[2] is True and r.get("u") == "1"
                try:
                    r.execute_command("SET", "t")
                    assert False
                except redis.ResponseError as e:
                    assert "wrong number of arguments for 'set' command" in str(e)
                assert sorted(k for k in r.scan_iter("p1?")) == [f"p{i}" for i in range(10, 20)]
                r.close()
            raw = redis.Redis(unix_socket_path=path)
            blob = bytes(range(256)) * 4096
            assert raw.set("blob", blob) and raw.get("blob") == blob
            unix = redis.UnixDomainSocketConnection
            pool = redis.ConnectionPool(connection_class=unix, path=path, max_connections=16)
            failures = []
            def work(n):
                try:
                    c = redis.Redis(connection_pool=pool)
                    for i in range(100):
                        c.set(f"th{n}:{i}", f"{n}-{i}")
                        assert c.get(f"th{n}:{i}") == f"{n}-{i}".encode()
                        c.incr("threads")
                except Exception as e:
                    failures.append(repr(e))
            threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
            [t.start() for t in threads]; [t.join() for t in threads]
            assert not failures, failures
            assert raw.get("threads") == b"1200"
            print("all fine")
            """#

        @Test func `a host name whose resolver hangs does not stop the loop`() throws {
            guard isRoot, program("unshare") != nil, program("sh") != nil else {
                print("skipped: needs root and unshare for a private resolv.conf")
                return
            }
            let directory = try TemporaryDirectory()
            // A name server that takes every question and answers none.
            let silent = try SilentNameServer()
            let resolver = try directory.write("resolv.conf", "nameserver 127.0.0.53\noptions timeout:30 attempts:3\n")
            let switches = try directory.write("nsswitch.conf", "hosts: dns\n")
            _ = try ChildProcess.run("chmod", ["644", resolver, switches], in: directory)
            let trial = try ChildProcess.run(
                "unshare",
                [
                    "-m", "sh", "-c",
                    "mount --bind \(resolver) /etc/resolv.conf && mount --bind \(switches) /etc/nsswitch.conf",
                ],
                in: directory)
            guard trial.code == 0, silent.isListening else {
                print("skipped: no private resolv.conf to be had here (\(trial.output)\(silent.reason))")
                return
            }
            let configuration = try directory.write(
                "hearth.yaml",
                HearthProcess.configuration(
                    directory: directory, redis: "redis://redis.nowhere.example:6379",
                    extra: "policies: [{prefix: \"\", default: \"d\"}]"))
            let process = try ChildProcess(
                program("unshare") ?? "",
                [
                    "-m", "sh", "-c",
                    "mount --bind \(resolver) /etc/resolv.conf && mount --bind \(switches) /etc/nsswitch.conf && exec \(try built("hearth")) serve --config \(configuration)",
                ], output: directory.file("hearth.log"))
            let address = ServerAddress.unix(directory.file("h.sock"))
            try eventually("it serves; \(process.output)") { (try? RESPClient(address).call("PING")) != nil }
            let c = try RESPClient(address)
            let start = milliseconds()
            var slowest = 0.0
            var count = 0
            var questions = 0
            while milliseconds() - start < 3000 || questions == 0 && milliseconds() - start < 30_000 {
                let asked = milliseconds()
                #expect(try c.call("PING").text == "PONG")
                #expect(try c.call("GET", "k").text == "d")
                slowest = max(slowest, milliseconds() - asked)
                count += 1
                questions += silent.questions
                pause(2)
            }
            print("resolver hangs: \(count) rounds, slowest \(short(slowest)) ms, \(questions) questions unanswered")
            #expect(questions > 0, "nobody asked the silent name server: \(process.output.suffix(500))")
            // A loop that waited for the resolver would stand for half a minute.
            #expect(slowest < 10_000)
            let told = milliseconds()
            process.signal(.terminate)
            #expect(try process.wait(within: 30_000) == 0)
            let took = milliseconds() - told
            print("resolver hangs: ended \(short(took)) ms after SIGTERM")
            // As a thread that is joined would: it has a minute and a half of questions before it.
            #expect(took < 20_000, "\(took) ms")
        }
    }
}
