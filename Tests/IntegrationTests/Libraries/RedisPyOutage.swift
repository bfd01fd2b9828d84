// redis-py through an outage: what it writes, what it is told, and how it goes on when Redis is back.

import TestSupport
import Testing

extension RealProcesses.Libraries {
    @Test func `redis-py writes through an outage, is told what can't be done, and goes on when Redis is back`() throws
    {
        guard let python = try RealProcesses.Clients.python() else { return }
        let redis = try RedisServer()
        let hearth = try HearthProcess(
            redis: redis.url, redisOptions: "timeout: 5s, soft_timeout: 1s",
            extra: "breaker: {slow_call: 60s, open: 100ms, open_max: 500ms}\nworkers: 2")
        try hearth.waitUntilClosed()
        let script = try hearth.directory.write("outage.py", RedisPyOutage.script)
        let child = try ChildProcess(
            python, ["-u", script, hearth.socketPath, redis.socketPath, hearth.directory.path],
            output: hearth.directory.file("outage.out"))
        func wait(_ word: String) throws {
            try eventually("redis-py says '\(word)': \(child.output.suffix(1500))", within: 300_000) {
                if let code = child.exitStatus, code != 0 { throw TestError("it ended with \(code): \(child.output)") }
                return child.output.contains("\(word)\n")
            }
        }
        try wait("listening")
        redis.kill()
        _ = try hearth.directory.write("gone", "")
        try wait("written")
        try redis.restart()
        _ = try hearth.directory.write("back", "")
        try wait("all fine")
        #expect(try child.wait() == 0)
    }
}

enum RedisPyOutage {
    /// Prints where it is; the test takes Redis away and brings it back, and says so by files in the directory.
    static let script =
        #"""
        import faulthandler, os, sys, threading, time
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        path, redis_path, directory = sys.argv[1:4]
        faulthandler.dump_traceback_later(200, exit=True)
        def client(): return redis.Redis(unix_socket_path=path, decode_responses=True, retry=Retry(NoBackoff(), 1))
        def eventually(condition, what, seconds=60):
            deadline = time.monotonic() + seconds
            while True:
                try:
                    value = condition()
                except redis.RedisError:
                    value = None
                if value: return value
                assert time.monotonic() < deadline, what
                time.sleep(0.005)  # sleep: between two looks at the condition
        def unavailable(call):
            try:
                reply = call()
            except redis.ResponseError as error:
                assert "UNAVAILABLE not sent: " in str(error), error
                return str(error)
            raise AssertionError(f"answered {reply!r}")

        r = client()
        r.set("n", 1); r.get("n"); r.set("held", "before"); r.get("held")
        ends = {}
        def pop():
            try:
                ends["pop"] = client().blpop("work", timeout=0)
            except redis.RedisError as error:
                ends["pop"] = error
        popper = threading.Thread(target=pop)
        popper.start()
        news, ended = client().pubsub(), []
        news.subscribe("news")
        assert news.get_message(timeout=5)["type"] == "subscribe"
        direct = redis.Redis(unix_socket_path=redis_path, decode_responses=True)
        eventually(lambda: direct.info("clients")["blocked_clients"] == 1, "the pop blocks")
        print("listening")
        eventually(lambda: os.path.exists(f"{directory}/gone"), "Redis goes")

        popper.join()
        assert isinstance(ends["pop"], redis.RedisError) and "UNAVAILABLE outcome unknown" in str(ends["pop"]), ends
        # A subscriber is not left to wait for what can't come: its connection ends, and subscribing anew is refused.
        def told():
            try:
                news.get_message(timeout=0.05)
            except redis.RedisError as error:
                return error
        failure = None
        deadline = time.monotonic() + 60
        while failure is None:
            failure = told()
            assert time.monotonic() < deadline, "the subscriber was told nothing"
        print("subscriber:", type(failure).__name__, failure)

        eventually(lambda: r.set("first", "1"), "a write is accepted")
        out = r.pipeline().set("a", "written in the outage").set("b", 2).get("a").mset({"c": 3, "d": 4}).execute()
        assert out[0] is True and out[2] == "written in the outage", out
        out = r.pipeline(transaction=False).set("held", "after").get("held").delete("b").exists("b").set("b", "new").execute()
        assert out == [True, "after", 1, 0, True], out
        for i in range(100): r.set(f"key:{i}", i)
        assert r.mget([f"key:{i}" for i in range(100)]) == [str(i) for i in range(100)]
        assert client().get("a") == "written in the outage" and r.get("held") == "after" and r.get("b") == "new"
        said = [unavailable(lambda: r.rpush("l", 1)), unavailable(lambda: r.pipeline().set("x", 1).rpush("l", 1).execute())]
        said.append(unavailable(lambda: r.lock("lock", timeout=5).acquire(blocking=False)))
        said.append(unavailable(lambda: r.eval("return 1", 0)))
        said.append(unavailable(lambda: r.blpop("work", timeout=1)))
        said.append(unavailable(lambda: r.publish("news", "x")))
        for text in said: print(text)
        print("written")
        eventually(lambda: os.path.exists(f"{directory}/back"), "Redis comes back")

        eventually(lambda: r.rpush("l", 1), "lists are back")
        eventually(lambda: direct.get("b") == "new" and direct.get("key:99") == "99", "what was written is replayed")
        assert [direct.get(k) for k in ("a", "held", "c", "d")] == ["written in the outage", "after", "3", "4"]
        assert r.lock("lock", timeout=5).acquire(blocking=False)
        news.close()
        again = client().pubsub(ignore_subscribe_messages=True)
        again.subscribe("news")
        eventually(lambda: again.get_message(timeout=0.01) is None and direct.pubsub_numsub("news")[0][1] == 1, "subscribed")
        r.publish("news", "back")
        assert eventually(lambda: again.get_message(timeout=0.1), "the message")["data"] == "back"
        r.rpush("work", "job")
        assert list(r.blpop("work", timeout=5)) == ["work", "job"]
        print("all fine")
        """#
}
