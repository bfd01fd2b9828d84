// What applications do with redis-py, each as a check of its own; run by a Python beside the build.

/// The script: `python checks.py HEARTH-SOCKET REDIS-SOCKET` prints a line `ok …` or `failed …` for each check.
enum RedisPyChecks {
    static let script =
        #"""
        import asyncio, contextlib, faulthandler, sys, threading, time, traceback
        import redis
        import redis.asyncio as aioredis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry

        path, redis_path = sys.argv[1:3]
        direct = redis.Redis(unix_socket_path=redis_path, decode_responses=True)
        checks = []
        def check(function):
            checks.append(function)
            return function
        def client(protocol, **options):
            options.setdefault("decode_responses", True)
            return redis.Redis(unix_socket_path=path, protocol=protocol, **options)
        def eventually(condition, seconds=30):
            deadline = time.monotonic() + seconds
            while True:
                value = condition()
                if value: return value
                assert time.monotonic() < deadline, "not in time"
                time.sleep(0.002)  # sleep: between two looks at the condition
        @contextlib.contextmanager
        def raises(kind, text=""):
            try:
                yield
            except kind as error:
                assert text in str(error), error
            else:
                raise AssertionError(f"no {kind.__name__}")
        def in_threads(count, work):
            errors = []
            def guarded(n):
                try: work(n)
                except Exception as error: errors.append(repr(error))
            threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert not errors, errors

        @check
        def a_pool_is_shared_by_threads(r, protocol):
            unix = redis.UnixDomainSocketConnection
            pool = redis.ConnectionPool(connection_class=unix, path=path, protocol=protocol, max_connections=8)
            def work(n):
                mine = redis.Redis(connection_pool=pool)
                for i in range(50):
                    mine.rpush(f"list:{n}", i)
                    mine.incr("total")
            in_threads(8, work)
            assert r.get("total") == "400" and all(r.llen(f"list:{n}") == 50 for n in range(8))
            pool.disconnect()
            assert redis.Redis(connection_pool=pool).ping()

        @check
        def a_blocking_pool_waits_for_a_connection(r, protocol):
            unix = redis.UnixDomainSocketConnection
            options = dict(path=path, protocol=protocol, max_connections=2, timeout=10)
            pool = redis.BlockingConnectionPool(connection_class=unix, **options)
            in_threads(6, lambda n: [redis.Redis(connection_pool=pool).incr("n") for _ in range(20)])
            assert r.get("n") == "120"

        @check
        def a_url_leads_to_the_socket(r, protocol):
            assert redis.from_url(f"unix://{path}?db=0&protocol={protocol}").ping()

        @check
        def a_pipeline_without_transaction_keeps_order_and_errors(r, protocol):
            pipe = r.pipeline(transaction=False)
            for i in range(500): pipe.set(f"k{i}", i).rpush("l", i).get(f"k{i}")
            out = pipe.execute()
            assert out == [x for i in range(500) for x in (True, i + 1, str(i))]
            out = r.pipeline(transaction=False).lpush("k0", "x").get("k0").hset("h", "f", "v").execute(raise_on_error=False)
            assert isinstance(out[0], redis.ResponseError) and out[1:] == ["0", 1], out

        @check
        def a_pipeline_is_a_transaction_by_default(r, protocol):
            out = r.pipeline().set("a", 1).incr("a").expire("a", 100).ttl("a").execute()
            assert out == [True, 2, True, 100], out
            out = r.pipeline().rpush("l", "x", "y").lrange("l", 0, -1).sadd("s", "m").smembers("s").zadd("z", {"m": 1}).execute()
            assert out == [2, ["x", "y"], 1, {"m"}, 1], out
            with raises(redis.ResponseError, "Command # 2 (INCR"):
                r.pipeline().set("a", "text").incr("a").set("b", 1).execute()
            assert r.get("b") == "1"
            with raises(redis.ResponseError):
                r.pipeline().set("c", 1).execute_command("SET", "c").execute()
            assert r.get("c") is None
            assert r.pipeline().execute() == []

        @check
        def optimistic_locking_sees_a_conflict_of_another_client(r, protocol):
            other = client(protocol)
            r.set("balance", 10)
            with r.pipeline() as pipe:
                pipe.watch("balance")
                assert pipe.get("balance") == "10"
                other.set("balance", 20)
                pipe.multi()
                pipe.set("balance", 11)
                with raises(redis.WatchError): pipe.execute()
                pipe.watch("balance")
                value = int(pipe.get("balance"))
                pipe.multi()
                pipe.set("balance", value + 1).get("balance")
                assert pipe.execute() == [True, "21"]
            with r.pipeline() as pipe:
                pipe.watch("balance")
                direct.set("balance", 30)
                pipe.multi()
                pipe.incr("balance")
                with raises(redis.WatchError): pipe.execute()
            with r.pipeline() as pipe:
                pipe.watch("balance")
                pipe.unwatch()
                other.set("balance", 40)
                pipe.multi()
                pipe.incr("balance")
                assert pipe.execute() == [41]

        @check
        def the_transaction_helper_retries_until_it_wins(r, protocol):
            def step(pipe):
                value = int(pipe.get("n") or 0)
                pipe.multi()
                pipe.set("n", value + 1).rpush("log", value)
                return value
            in_threads(4, lambda n: [client(protocol).transaction(step, "n", value_from_callable=True) for _ in range(15)])
            assert r.get("n") == "60" and r.lrange("log", 0, -1) == [str(i) for i in range(60)]

        @check
        def a_registered_script_is_loaded_anew_where_redis_forgot_it(r, protocol):
            double = r.register_script("local v = redis.call('GET', KEYS[1]) * ARGV[1]; redis.call('SET', KEYS[1], v); return v")
            r.set("k", 3)
            assert r.get("k") == "3" and double(keys=["k"], args=[2]) == 6 and r.get("k") == "6"
            direct.script_flush()
            assert double(keys=["k"], args=[2]) == 12 and r.get("k") == "12"
            pipe = r.pipeline()
            double(keys=["k"], args=[2], client=pipe)
            pipe.get("k")
            assert pipe.execute() == [24, "24"]
            with raises(redis.exceptions.NoScriptError): r.evalsha("0" * 40, 0)
            with raises(redis.ResponseError, "my own"): r.eval("return redis.error_reply('ERR my own')", 0)

        @check
        def functions_are_loaded_and_called(r, protocol):
            r.function_load("#!lua name=checks\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)", replace=True)
            assert r.get("fk") is None and r.fcall("put", 1, "fk", "v") == "OK" and r.get("fk") == "v"
            r.function_delete("checks")

        @check
        def a_lock_is_held_by_one_extended_and_released(r, protocol):
            first, second = r.lock("lock", timeout=20), client(protocol).lock("lock", timeout=20, thread_local=False)
            assert first.acquire() and first.owned() and first.locked() and not second.acquire(blocking=False)
            assert not second.acquire(blocking_timeout=0.05)
            assert first.extend(10) and first.reacquire()
            with raises(redis.exceptions.LockError): second.release()
            stolen = r.lock("lock")
            stolen.local.token = b"not mine"
            with raises(redis.exceptions.LockNotOwnedError): stolen.release()
            got = []
            waiter = threading.Thread(target=lambda: got.append(second.acquire(blocking_timeout=10)))
            waiter.start()
            first.release()
            waiter.join()
            assert got == [True]
            second.release()
            with raises(redis.exceptions.LockNotOwnedError):
                with r.lock("lock", timeout=20): direct.delete("lock")
            brief = r.lock("lock", timeout=0.05)
            assert brief.acquire() and r.lock("lock", timeout=60).acquire(blocking_timeout=30)
            with raises(redis.exceptions.LockNotOwnedError): brief.release()

        @check
        def a_lock_keeps_threads_apart(r, protocol):
            def work(n):
                mine = client(protocol)
                for _ in range(5):
                    with mine.lock("lock", timeout=20, sleep=0.002):
                        value = int(mine.get("n") or 0)
                        mine.set("n", value + 1)
            in_threads(4, work)
            assert r.get("n") == "20"

        @check
        def subscriptions_in_a_thread_get_channels_and_patterns(r, protocol):
            got = []
            p = r.pubsub(ignore_subscribe_messages=True)
            p.subscribe(**{"news": lambda m: got.append(("news", m["data"]))})
            p.psubscribe(**{"n*": lambda m: got.append(("n*", m["channel"], m["data"]))})
            thread = p.run_in_thread(sleep_time=0.01)
            eventually(lambda: direct.pubsub_numsub("news")[0][1] == 1 and direct.pubsub_numpat() == 1)
            assert r.publish("news", "one") == 2 and r.publish("other", "x") == 0 and direct.publish("nn", "two") == 1
            eventually(lambda: len(got) == 3)
            assert sorted(got) == [("n*", "news", "one"), ("n*", "nn", "two"), ("news", "one")], got
            thread.stop()
            thread.join()
            p.close()
            eventually(lambda: direct.pubsub_numsub("news")[0][1] == 0)

        @check
        def a_subscriber_changes_what_it_listens_to(r, protocol):
            p = r.pubsub()
            def message(): return eventually(lambda: p.get_message(timeout=0.1))
            p.subscribe("a", "b")
            assert [message()["channel"] for _ in range(2)] == ["a", "b"]
            p.unsubscribe("a")
            assert message()["type"] == "unsubscribe"
            r.publish("a", "lost"); r.publish("b", "kept")
            assert message()["data"] == "kept"
            # redis-py takes what a subscriber's PING answers in RESP3 for no message.
            if protocol == 2:
                p.ping("still there")
                assert message()["type"] == "pong"
            p.unsubscribe()
            assert message()["data"] == 0 and not p.subscribed
            p.ssubscribe("shard")
            assert message()["type"] == "ssubscribe"
            assert r.spublish("shard", "s") == 1
            assert eventually(lambda: p.get_sharded_message(timeout=0.1))["data"] == "s"
            p.close()

        @check
        def blocking_pops_wait_time_out_and_are_served(r, protocol):
            assert r.blpop("none", timeout=0.05) is None and r.brpoplpush("none", "x", timeout=0.05) is None
            r.rpush("l", "a", "b", "c")
            assert list(r.blpop(["none", "l"], timeout=1)) == ["l", "a"] and list(r.brpop("l")) == ["l", "c"]
            assert r.blmove("l", "m", 1, "LEFT", "RIGHT") == "b" and r.lrange("m", 0, -1) == ["b"]
            r.zadd("z", {"one": 1, "two": 2})
            assert list(r.bzpopmin("z"))[:2] == ["z", "one"] and list(r.bzpopmax("z"))[:2] == ["z", "two"]
            r.rpush("l", "x")
            assert r.blmpop(1, 2, "none", "l", direction="LEFT") == ["l", ["x"]]
            got = []
            def wait(n):
                mine = client(protocol)
                got.append(mine.blpop("work", timeout=20)[1])
            threads = [threading.Thread(target=wait, args=(n,)) for n in range(5)]
            for thread in threads: thread.start()
            for i in range(5): r.rpush("work", i)
            for thread in threads: thread.join()
            assert sorted(got) == ["0", "1", "2", "3", "4"], got

        @check
        def a_stream_is_read_by_groups(r, protocol):
            ids = [r.xadd("s", {"n": i}) for i in range(10)]
            assert r.xlen("s") == 10 and [i for i, _ in r.xrange("s", count=3)] == ids[:3]
            assert r.xgroup_create("s", "g", id="0")
            with raises(redis.ResponseError, "BUSYGROUP"): r.xgroup_create("s", "g")
            def entries(reply):
                reply = list(reply.values())[0][0] if isinstance(reply, dict) else reply[0][1]
                return reply
            first = entries(r.xreadgroup("g", "one", {"s": ">"}, count=4))
            second = entries(r.xreadgroup("g", "two", {"s": ">"}, count=4))
            assert [i for i, _ in first + second] == ids[:8]
            assert r.xack("s", "g", *[i for i, _ in first]) == 4
            assert r.xpending("s", "g")["pending"] == 4
            assert len(r.xpending_range("s", "g", "-", "+", 10)) == 4
            assert [i for i, _ in r.xclaim("s", "g", "one", 0, [ids[4]])] == [ids[4]]
            assert len(r.xautoclaim("s", "g", "three", 0)[1]) == 4
            rest = entries(r.xreadgroup("g", "one", {"s": ">"}, block=1000))
            assert [i for i, _ in rest] == ids[8:]
            assert not r.xreadgroup("g", "one", {"s": ">"}, block=20)
            waiting = []
            thread = threading.Thread(target=lambda: waiting.append(client(protocol).xread({"s": "$"}, block=20000)))
            thread.start()
            eventually(lambda: direct.info("clients")["blocked_clients"] == 1)
            r.xadd("s", {"late": 1})
            thread.join()
            assert entries(waiting[0])[0][1] == {"late": "1"}
            assert r.xinfo_stream("s")["length"] == 11 and r.xinfo_groups("s")[0]["consumers"] == 3 and r.xtrim("s", maxlen=2, approximate=False) == 9

        @check
        def iterators_walk_over_everything(r, protocol):
            r.mset({f"key:{i}": i for i in range(300)})
            r.hset("h", mapping={f"f{i}": i for i in range(200)})
            r.sadd("s", *range(200))
            r.zadd("z", {f"m{i}": i for i in range(200)})
            assert sorted(r.scan_iter("key:*", count=50)) == sorted(f"key:{i}" for i in range(300))
            assert set(r.scan_iter(_type="hash")) == {"h"}
            assert len(dict(r.hscan_iter("h"))) == 200 and len(set(r.sscan_iter("s"))) == 200 and len(dict(r.zscan_iter("z", match="m1*"))) == 111

        @check
        def a_client_side_timeout_ends_a_pop_and_loses_nothing(r, protocol):
            impatient = client(protocol, socket_timeout=2, retry=Retry(ExponentialBackoff(), 0))
            ends = []
            def pop():
                try: impatient.blpop("later", timeout=30)
                except redis.TimeoutError as error: ends.append(error)
            popper = threading.Thread(target=pop)
            popper.start()
            # Redis is seen to wait before it is seen to wait no more: the pop may still be on its way.
            eventually(lambda: direct.info("clients")["blocked_clients"] == 1)
            popper.join()
            assert ends
            eventually(lambda: direct.info("clients")["blocked_clients"] == 0)
            assert r.rpush("later", "kept") == 1
            assert impatient.lpop("later") == "kept" and impatient.set("k", "v") and impatient.get("k") == "v"
            with raises(redis.TimeoutError): impatient.blpop("later", timeout=30)
            assert impatient.blpop("later", timeout=0.01) is None
            impatient.close()

        @check
        def bytes_and_text_are_told_apart(r, protocol):
            raw = client(protocol, decode_responses=False)
            blob = bytes(range(256)) * 100
            assert raw.set(blob[:64], blob) and raw.get(blob[:64]) == blob and raw.hset("h", blob, blob) == 1 and raw.hgetall("h") == {blob: blob}
            with raises(UnicodeDecodeError): r.hgetall("h")
            assert client(protocol, encoding="latin-1").set("l", "caf\u00e9") and raw.get("l") == b"caf\xe9"

        @check
        def replies_have_the_types_of_the_protocol(r, protocol):
            r.hset("h", mapping={"a": 1}); r.zadd("z", {"m": 1.5}); r.sadd("s", "x")
            assert r.hgetall("h") == {"a": "1"} and r.smembers("s") == {"x"} and r.zscore("z", "m") == 1.5
            assert [list(x) for x in r.zrange("z", 0, -1, withscores=True)] == [["m", 1.5]]
            assert r.execute_command("EVAL", "redis.setresp(3); return {double=2.5}", 0) == (2.5 if protocol == 3 else "2.5")
            assert isinstance(r.config_get("maxmemory"), dict) and "redis_version" in r.info() and r.command_count() > 200
            assert r.object("encoding", "h") in ("listpack", "ziplist") and r.memory_usage("h") > 0 and len(r.time()) == 2

        @check
        def a_client_tells_its_name_and_library(r, protocol):
            named = client(protocol, client_name="checker", lib_name="mylib", lib_version="9.9")
            assert named.client_getname() == "checker"
            info = named.client_info()
            assert info["lib-name"] == "mylib" and info["lib-ver"] == "9.9" and info["name"] == "checker" and info["resp"] == str(protocol), info
            assert named.client_setinfo("LIB-NAME", "again") and named.client_setname("b") and named.client_getname() == "b"
            assert any(c["name"] == "b" for c in named.client_list()) and named.client_id() > 0

        @check
        def a_broken_connection_is_made_anew(r, protocol):
            retry = Retry(ExponentialBackoff(base=0.001, cap=0.01), 3)
            mine = client(protocol, single_connection_client=True, retry=retry, retry_on_error=[redis.ConnectionError])
            for round in range(5):
                assert mine.set("k", round) and mine.get("k") == str(round)
                mine.connection._sock.shutdown(2)
                assert mine.get("k") == str(round)
            p = mine.pubsub(ignore_subscribe_messages=True)
            p.subscribe("c")
            p.get_message(timeout=1)
            p.connection._sock.shutdown(2)
            eventually(lambda: p.get_message(timeout=0.01) is None and direct.pubsub_numsub("c")[0][1] == 1)
            direct.publish("c", "again")
            assert eventually(lambda: p.get_message(timeout=0.1))["data"] == "again"
            p.close()

        @check
        def health_checks_are_answered_between_commands_and_while_subscribed(r, protocol):
            mine = client(protocol, health_check_interval=1, single_connection_client=True)
            for _ in range(3):
                mine.connection.next_health_check = time.monotonic() - 1
                assert mine.set("k", "v") and mine.get("k") == "v"
            p = mine.pubsub(ignore_subscribe_messages=True)
            p.subscribe("c")
            p.get_message(timeout=1)
            p.connection.next_health_check = time.monotonic() - 1
            assert p.get_message(timeout=0.1) is None and p.get_message(timeout=0.1) is None
            direct.publish("c", "on")
            assert eventually(lambda: p.get_message(timeout=0.1))["data"] == "on"
            p.close()

        @check
        def monitor_shows_commands(r, protocol):
            with r.monitor() as m:
                direct.set("seen", "1")
                assert any("seen" in m.next_command()["command"] for _ in range(3))

        @check
        def reset_and_single_connections_begin_afresh(r, protocol):
            # RESET goes back to RESP2, which redis-py does not know when it speaks RESP3.
            if protocol == 3: return
            with client(protocol, single_connection_client=True) as mine:
                mine.client_setname("x")
                assert mine.execute_command("MULTI") in (True, "OK") and mine.execute_command("GET", "k") == "QUEUED"
                mine.execute_command("RESET")
                assert mine.execute_command("GET", "k") is None

        @check
        def asyncio_clients_do_the_same(r, protocol):
            async def main():
                a = aioredis.Redis(unix_socket_path=path, protocol=protocol, decode_responses=True)
                await asyncio.gather(*[a.set(f"k{i}", i) for i in range(100)])
                assert await asyncio.gather(*[a.get(f"k{i}") for i in range(100)]) == [str(i) for i in range(100)]
                async with a.pipeline(transaction=True) as pipe:
                    assert await pipe.set("n", 1).rpush("l", "x").incr("n").execute() == [True, 1, 2]
                async with a.pipeline() as pipe:
                    await pipe.watch("n")
                    await a.set("n", 9)
                    pipe.multi()
                    pipe.set("n", 3)
                    with raises(redis.WatchError): await pipe.execute()
                async with a.pubsub(ignore_subscribe_messages=True) as p:
                    await p.subscribe("c")
                    await p.get_message(timeout=1)
                    assert await a.publish("c", "m") == 1
                    message = None
                    while message is None: message = await p.get_message(timeout=5)
                    assert message["data"] == "m"
                pop = asyncio.create_task(a.blpop("work", timeout=20))
                await asyncio.to_thread(lambda: eventually(lambda: direct.info("clients")["blocked_clients"] == 1))
                await a.rpush("work", "job")
                assert list(await pop) == ["work", "job"]
                with raises(asyncio.TimeoutError): await asyncio.wait_for(a.blpop("work", timeout=30), 0.05)
                assert await a.get("k1") == "1"
                async with a.lock("lock", timeout=20): assert await a.get("lock")
                assert [k async for k in a.scan_iter("k9*")].__len__() == 11
                await a.aclose()
            asyncio.run(main())

        # A check that hangs tells where.
        faulthandler.dump_traceback_later(400, exit=True)
        for function in checks:
            for protocol in (2, 3):
                name = f"{function.__name__.replace('_', ' ')}, RESP{protocol}"
                r = client(protocol)
                try:
                    r.flushdb()
                    function(r, protocol)
                    print("ok", name, flush=True)
                except BaseException:
                    print("failed", name + ":", traceback.format_exc(limit=-3).replace("\n", " | "), flush=True)
                r.close()
        """#
}
