// What applications do with redis-rb, a client library of another family; run by Debian's ruby and ruby-redis.

/// The script: `ruby checks.rb HEARTH-SOCKET REDIS-SOCKET` prints a line `ok …` or `failed …` for each check.
enum RubyChecks {
    static let script =
        #"""
        require "redis"
        require "timeout"
        PATH, REDIS_PATH = ARGV
        def client(**options) = Redis.new(path: PATH, **options)
        $direct = Redis.new(path: REDIS_PATH)
        $failed = false
        def check(name)
          r = client
          r.flushdb
          Timeout.timeout(60) { yield r }
          puts "ok #{name}"
        rescue StandardError, Timeout::Error => error
          puts "failed #{name}: #{error.class} #{error.message} #{error.backtrace.first(3).join(" | ")}"
        ensure
          r.close
          $stdout.flush
        end
        def is(expected, found) = expected == found || raise("expected #{expected.inspect}, found #{found.inspect}")
        def eventually
          deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
          until yield
            raise "not in time" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
            Thread.pass
          end
        end
        def raises(kind, text = "")
          yield
        rescue kind => error
          error.message.include?(text) || raise("another error: #{error.message}")
        else
          raise "no #{kind}"
        end

        check "strings, hashes, lists, sets and sorted sets" do |r|
          is "OK", r.set("k", "v", ex: 100)
          is "v", r.get("k")
          is true, r.expire("k", 50)
          is 50, r.ttl("k")
          is({ "a" => "1" }, (r.hset("h", "a", 1); r.hgetall("h")))
          is %w[a b], (r.rpush("l", %w[a b]); r.lrange("l", 0, -1))
          is true, (r.sadd?("s", "m"); r.sismember("s", "m"))
          is [["m", 1.5]], (r.zadd("z", 1.5, "m"); r.zrange("z", 0, -1, with_scores: true))
          is ["v", nil], r.mget("k", "none")
        end
        check "binary keys and values" do |r|
          blob = (0..255).to_a.pack("C*") * 100
          r.set(blob[0, 50], blob)
          is blob, r.get(blob[0, 50]).b
        end
        check "pipelines keep order and errors" do |r|
          out = r.pipelined { |p| 300.times { |i| p.set("k#{i}", i); p.rpush("l", i); p.get("k#{i}") } }
          is (0...300).flat_map { |i| ["OK", i + 1, i.to_s] }, out
          raises(Redis::CommandError, "WRONGTYPE") { r.pipelined { |p| p.lpush("k0", 1); p.set("after", 1) } }
          is "1", r.get("after")
        end
        check "transactions" do |r|
          is ["OK", 2, %w[x]], r.multi { |t| t.set("n", 1); t.incr("n"); t.rpush("l", "x"); t.lrange("l", 0, -1) }.then { |o| [o[0], o[1], o[3]] }
          raises(Redis::CommandError) { r.multi { |t| t.set("bad", 1); t.call(["SET", "bad"]) } }
          is nil, r.get("bad")
        end
        check "WATCH sees a conflict" do |r|
          other = client
          r.set("n", 1)
          is nil, (r.watch("n") { value = r.get("n").to_i; other.set("n", 5); r.multi { |t| t.set("n", value + 1) } })
          is ["OK"], (r.watch("n") { value = r.get("n").to_i; r.multi { |t| t.set("n", value + 1) } })
          is "6", r.get("n")
          r.watch("n"); r.unwatch
          other.incr("n")
          is [8], r.multi { |t| t.incr("n") }
        end
        check "scripts" do |r|
          is ["k", "v"], r.eval("return {KEYS[1], ARGV[1]}", ["k"], ["v"])
          sha = r.script(:load, "return redis.call('INCR', KEYS[1])")
          is 1, r.evalsha(sha, ["n"])
          is "1", r.get("n")
          is true, r.script(:exists, sha)
          raises(Redis::CommandError, "NOSCRIPT") { r.evalsha("0" * 40) }
        end
        check "a lock by SET NX and a script" do |r|
          release = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
          threads = 4.times.map do |n|
            Thread.new do
              mine = client
              5.times do |i|
                token = "#{n}:#{i}"
                Thread.pass until mine.set("lock", token, nx: true, px: 20_000)
                mine.set("total", mine.get("total").to_i + 1)
                is 1, mine.eval(release, ["lock"], [token])
              end
            end
          end
          threads.each(&:join)
          is "20", r.get("total")
        end
        check "subscriptions to channels and patterns" do |r|
          got = Queue.new
          listener = Thread.new do
            client.subscribe("c") do |on|
              on.message { |channel, text| got << [channel, text]; Thread.current[:r]&.unsubscribe; throw :done if text == "end" }
            end
          rescue UncaughtThrowError
          end
          patterns = Thread.new do
            mine = client
            mine.psubscribe("c*") { |on| on.pmessage { |pattern, channel, text| got << [pattern, channel, text]; mine.punsubscribe if text == "end" } }
            is "PONG", mine.ping
          end
          eventually { $direct.pubsub(:numsub, "c") == ["c", 1] && $direct.pubsub(:numpat) == 1 }
          is 2, r.publish("c", "one")
          is 1, r.publish("cc", "two")
          r.publish("c", "end")
          patterns.join
          listener.join
          is [["c", "end"], ["c", "one"], ["c*", "c", "end"], ["c*", "c", "one"], ["c*", "cc", "two"]], 5.times.map { got.pop }.sort
        end
        check "blocking pops" do |r|
          is nil, r.blpop("none", timeout: 0.05)
          waiter = Thread.new { client.blpop("work", timeout: 10) }
          eventually { $direct.info("clients")["blocked_clients"] == "1" }
          r.rpush("work", "job")
          is %w[work job], waiter.value
          r.zadd("z", 1, "m")
          is ["z", "m", 1.0], r.bzpopmin("z", timeout: 1)
        end
        check "a client-side timeout ends a pop and loses nothing" do |r|
          impatient = client(read_timeout: 2, reconnect_attempts: 0)
          pop = Thread.new { raises(Redis::TimeoutError) { impatient.call([:blpop, "later", 30]) } }
          # Redis is seen to wait before it is seen to wait no more: the pop may still be on its way.
          eventually { $direct.info("clients")["blocked_clients"] == "1" }
          pop.join
          eventually { $direct.info("clients")["blocked_clients"] == "0" }
          r.rpush("later", "kept")
          is "kept", impatient.lpop("later")
        end
        check "threads share one client" do |r|
          8.times.map { |n| Thread.new { 50.times { r.incr("n") } } }.each(&:join)
          is "400", r.get("n")
        end
        check "streams with groups" do |r|
          ids = 6.times.map { |i| r.xadd("s", { n: i }) }
          r.xgroup(:create, "s", "g", "0")
          is ids[0, 4], r.xreadgroup("g", "one", "s", ">", count: 4)["s"].map(&:first)
          is 4, r.xack("s", "g", ids[0, 4])
          is ids[4, 2], r.xreadgroup("g", "two", "s", ">", block: 1000)["s"].map(&:first)
          is 2, r.xpending("s", "g")["size"]
          is({}, r.xreadgroup("g", "two", "s", ">", block: 20))
        end
        check "iterators" do |r|
          r.mset(*(0...200).flat_map { |i| ["key:#{i}", i] })
          is 200, r.scan_each(match: "key:*", count: 50).to_a.uniq.size
          r.sadd("s", (0...200).to_a)
          is 200, r.sscan_each("s").to_a.uniq.size
        end
        check "a broken connection is made anew" do |r|
          r.set("k", "v")
          r._client.connection.instance_variable_get(:@sock).shutdown(2)
          is "v", r.get("k")
        end
        check "names, ids and INFO" do |r|
          named = client(id: "checker")
          r.call([:client, :setname, "checker"])
          is "checker", r.call([:client, :getname])
          raise "no version" unless r.info["redis_version"]
        end
        """#
}
