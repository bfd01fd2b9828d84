// redis-py as applications use it, beyond strings.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct PassingClients {
        @Test func `redis-py works with collections, scripts, locks, WATCH, subscriptions and blocking pops`() throws {
            guard let python = try Clients.python() else { return }
            let fixture = try PassingFixture(workers: 2)
            let script = try fixture.hearth.directory.write("passing.py", Self.script)
            let (code, output) = try ChildProcess.run(
                python, [script, fixture.hearth.socketPath, fixture.redis.socketPath],
                in: fixture.hearth.directory, within: 300_000)
            #expect(code == 0 && output.hasSuffix("all fine\n"), "\(output)")
            try fixture.waitForPins(0)
        }

        private static let script = #"""
            import sys, threading, time, redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            path = sys.argv[1]
            direct = redis.Redis(unix_socket_path=sys.argv[2])
            for protocol in (2, 3):
                r = redis.Redis(unix_socket_path=path, protocol=protocol, decode_responses=True)
                r.flushdb()
                assert r.lpush("l", "a", "b") == 2 and r.lrange("l", 0, -1) == ["b", "a"]
                assert r.hset("h", mapping={"a": 1, "b": 2}) == 2 and r.hgetall("h") == {"a": "1", "b": "2"}
                assert r.sadd("s", "x") == 1 and r.smembers("s") == {"x"}
                assert r.zadd("z", {"m": 1.5}) == 1
                assert r.zscore("z", "m") == 1.5 and r.zincrby("z", 1, "m") == 2.5
                first = r.xadd("x", {"f": "v"})
                assert r.xlen("x") == 1 and r.xread({"x": 0})
                assert r.geoadd("g", (13.36, 38.11, "p")) == 1 and r.pfadd("hll", "a") == 1 and r.pfcount("hll") == 1
                r.set("k", "1")
                assert r.get("k") == "1"
                double = r.register_script("local v = redis.call('GET', KEYS[1]) * 2; redis.call('SET', KEYS[1], v); return v")
                assert double(keys=["k"]) == 2 and r.get("k") == "2"
                pipe = r.pipeline()
                pipe.set("k", 5).rpush("q", 1, 2).incr("k").lrange("q", 0, -1).hgetall("h")
                assert pipe.execute() == [True, 2, 6, ["1", "2"], {"a": "1", "b": "2"}]
                assert r.get("k") == "6"
                out = r.pipeline(transaction=False).set("k", 7).llen("q").get("k").eval("return KEYS[1]", 1, "e").get("k").execute()
                assert out == [True, 2, "7", "e", "7"], out

                def step(pipe):
                    value = int(pipe.get("n") or 0)
                    pipe.multi()
                    pipe.set("n", value + 1)
                errors = []
                def work():
                    try:
                        for _ in range(10): r.transaction(step, "n")
                    except Exception as e:
                        errors.append(repr(e))
                threads = [threading.Thread(target=work) for _ in range(4)]
                [t.start() for t in threads]; [t.join() for t in threads]
                assert not errors and r.get("n") == "40", (errors, r.get("n"))
                with r.pipeline() as pipe:
                    pipe.watch("k")
                    r.set("k", "other")
                    pipe.multi()
                    pipe.set("k", "mine")
                    try:
                        pipe.execute()
                        assert False
                    except redis.WatchError:
                        pass
                assert r.get("k") == "other"

                lock = r.lock("lock", timeout=60)
                assert lock.acquire(blocking=False) and not r.lock("lock").acquire(blocking=False)
                lock.extend(60); lock.release()
                assert r.lock("lock", timeout=60).acquire(blocking_timeout=30)
                r.delete("lock")

                popped = []
                waiter = threading.Thread(target=lambda: popped.append(r.blpop("work", timeout=60)))
                waiter.start()
                r.rpush("work", "job"); waiter.join()
                assert popped[0] in (("work", "job"), ["work", "job"]), popped
                assert r.blpop("work", timeout=0.05) is None

                p = r.pubsub()
                p.subscribe("c"); p.psubscribe("c*")
                got = []
                deadline = time.monotonic() + 30
                while len(got) < 2 and time.monotonic() < deadline:
                    m = p.get_message(timeout=0.2)
                    if m and m["type"].endswith("subscribe"): got.append(m)
                assert r.publish("c", "hello") == 2
                while len(got) < 4 and time.monotonic() < deadline:
                    m = p.get_message(timeout=0.2)
                    if m: got.append(m)
                assert sorted(m["type"] for m in got[2:]) == ["message", "pmessage"], got
                p.ping(); p.unsubscribe(); p.punsubscribe(); p.close()

                impatient = redis.Redis(
                    unix_socket_path=path, protocol=protocol, socket_timeout=2, retry=Retry(NoBackoff(), 0))
                ends = []
                def pop():
                    try:
                        impatient.blpop("nothing", timeout=30)
                    except redis.TimeoutError as e:
                        ends.append(e)
                popper = threading.Thread(target=pop)
                popper.start()
                # Redis is seen to wait, and to wait no more: before, an element would be given to whoever has gone.
                def blocked(count):
                    deadline = time.monotonic() + 30
                    while direct.info("clients")["blocked_clients"] != count: assert time.monotonic() < deadline, count
                blocked(1); popper.join(); assert ends
                blocked(0)
                assert r.rpush("nothing", "kept") == 1 and r.lpop("nothing") == "kept"
                try:
                    r.shutdown()
                    assert False
                except redis.ResponseError as e:
                    assert "DENIED SHUTDOWN" in str(e), e
                r.close()
            print("all fine")
            """#
    }
}
