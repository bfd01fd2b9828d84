// What Redis has to answer, over all families, with native commands in between; see Scenarios.swift for the form.

enum PassedScenarios {
    static let collections: [String] = [
        "LPUSH @l a b c; RPUSH @l d; LRANGE @l 0 -1; LLEN @l; LINDEX @l 0; LINDEX @l 99; LSET @l 1 x; LINSERT @l BEFORE x y; LPOS @l x",
        "RPUSH @l 1 2 3 4 5; LPOP @l; LPOP @l 2; RPOP @l; RPOP @l 9; RPOP @l; LPOP @l 2; EXISTS @l; TYPE @l; LPUSHX @l 1; LTRIM @l 0 1",
        "RPUSH @l 1 2 3; LMOVE @l @m LEFT RIGHT; RPOPLPUSH @l @m; LRANGE @m 0 -1; LREM @m 0 1; LMPOP 2 @x @m LEFT COUNT 5; LMPOP 1 @x LEFT",
        "SET @s text; LPUSH @s a; GET @s; LLEN @s; SET @s other; HSET @s f v; SADD @s m; ZADD @s 1 m; XADD @s 1-1 f v; GET @s",
        "HSET @h a 1 b 2; HGET @h a; HGET @h zz; HMGET @h a b c; HGETALL @h; HKEYS @h; HVALS @h; HLEN @h; HSTRLEN @h a; HEXISTS @h b",
        "HINCRBY @h n 5; HINCRBYFLOAT @h n 0.5; HSETNX @h n 1; HSETNX @h m 1; HDEL @h n m zz; HGETALL @h; TYPE @h; HMSET @h a 1; HINCRBY @h a x",
        "HSET @h a 1 b 2 c 3; HSCAN @h 0; HSCAN @h 0 MATCH a* COUNT 5; HRANDFIELD @h 0; TTL @h; EXPIRE @h 100; TYPE @h; GET @h; STRLEN @h",
        "SADD @s 1 2 3; SADD @t 2 3 4; SINTER @s @t; SCARD @s; SISMEMBER @s a; SMISMEMBER @s a z; SINTERCARD 2 @s @t; SDIFF @s @t; SUNIONSTORE @u @s @t; SCARD @u",
        "SADD @s only; SMEMBERS @s; SPOP @s; SPOP @s; SPOP @s 2; SRANDMEMBER @s; SADD @s 1; SRANDMEMBER @s 3; SMOVE @s @t 1; SSCAN @t 0; SREM @t 1; SMEMBERS @t",
        "ZADD @z 1 a 2 b 3.5 c; ZSCORE @z c; ZSCORE @z zz; ZRANGE @z 0 -1 WITHSCORES; ZRANK @z b; ZINCRBY @z 0.25 a; ZMSCORE @z a zz; ZCOUNT @z -inf +inf",
        "ZADD @z inf a -inf b; ZRANGE @z 0 -1 WITHSCORES; ZPOPMIN @z; ZPOPMAX @z; ZPOPMIN @z; ZADD @z NX GT 1 a; ZADD @z 1; ZADD @z x a; ZADD @z INCR 5 a",
        "ZADD @z 1 a 2 b; ZADD @y 5 b 6 c; ZUNION 2 @z @y WITHSCORES; ZINTERSTORE @x 2 @z @y WEIGHTS 2 1; ZRANGE @x 0 -1 WITHSCORES; ZDIFFSTORE @x 2 @z @y; ZCARD @x",
        "ZADD @z 1 a 2 b 3 c; ZRANGESTORE @y @z 0 1; ZRANGE @y 0 -1; ZRANGEBYSCORE @z (1 3 WITHSCORES LIMIT 0 1; ZREVRANGE @z 0 0; ZMPOP 2 @q @z MIN; ZMPOP 1 @q MAX; ZLEXCOUNT @z - +",
        "ZADD @z 1 a; ZSCAN @z 0; ZRANDMEMBER @z; ZRANDMEMBER @z 2 WITHSCORES; ZREMRANGEBYRANK @z 0 -1; ZRANDMEMBER @z; EXISTS @z; ZRANK @z a",
    ]

    static let streams: [String] = [
        "XADD @x 1-1 a 1; XADD @x 2-1 b 2 c 3; XLEN @x; XRANGE @x - +; XREVRANGE @x + - COUNT 1; XREAD COUNT 5 STREAMS @x 0; XREAD STREAMS @x $; XADD @x 1-1 a 1",
        "XADD @x 1-1 a 1; XGROUP CREATE @x g 0; XREADGROUP GROUP g c STREAMS @x >; XPENDING @x g; XPENDING @x g - + 10 zz; XACK @x g 1-1; XPENDING @x g; XINFO GROUPS @x",
        "XGROUP CREATE @x g $ MKSTREAM; XADD @x 5-5 f v; XREADGROUP GROUP g c NOACK STREAMS @x >; XGROUP DESTROY @x g; XINFO STREAM @x; XTRIM @x MAXLEN 0; XDEL @x 5-5; XSETID @x 9-9",
        "XREADGROUP GROUP nosuch c STREAMS @x >; XGROUP CREATE @x g $; XADD @x; XADD @x bad f v; XREAD STREAMS @x; XINFO HELP; XAUTOCLAIM @x g c 0 0; XINFO STREAM @x",
    ]

    static let others: [String] = [
        "GEOADD @g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania; GEODIST @g Palermo Catania; GEOPOS @g Palermo zz; GEOHASH @g Catania; GEOSEARCH @g FROMMEMBER Palermo BYRADIUS 200 km ASC WITHDIST WITHCOORD",
        "GEOADD @g 13.361389 38.115556 P 15.087269 37.502669 C; GEORADIUS @g 15 37 200 km ASC STORE @t; ZRANGE @t 0 -1; GEOSEARCHSTORE @u @g FROMLONLAT 15 37 BYBOX 400 400 km; ZCARD @u; GEORADIUS_RO @g 15 37 100 km",
        "PFADD @p a b c; PFADD @p a; PFCOUNT @p; PFADD @q d; PFMERGE @r @p @q; PFCOUNT @r @q; SET @s x; PFADD @s a; STRLEN @p",
        "SETBIT @b 7 1; GETBIT @b 7; GETBIT @b 100; BITCOUNT @b; BITPOS @b 1; SETBIT @c 1 1; BITOP OR @d @b @c; GET @d; BITFIELD @b SET u8 0 200 INCRBY u8 0 100; BITFIELD_RO @b GET u8 0; GET @b; SETBIT @b -1 1",
        "SET @a 1; OBJECT ENCODING @a; OBJECT REFCOUNT @a; OBJECT ENCODING @zz; OBJECT HELP; MEMORY USAGE @a; MEMORY USAGE @zz; DUMP @zz; OBJECT FREQ @a",
        "SET @a restored; DUMP @a; COPY @a @b; GET @b; COPY @a @b; COPY @a @b REPLACE; GET @b; MOVE @a 0; COPY @zz @b; SORT @zz",
        "RPUSH @l 3 1 2; SORT @l; SORT @l DESC LIMIT 0 2; SORT @l STORE @d; LRANGE @d 0 -1; SORT_RO @l; SORT @l BY nosort GET #; SORT @l STORE @d BY @w*; SORT @l ALPHA store @e; TYPE @e",
        "LCS @a @b; MSET @a ohmytext @b mynewtext; LCS @a @b; LCS @a @b LEN; LCS @a @b IDX; LOLWUT VERSION 5 1 1 1 1; ECHO hi; PUBLISH @c hi; SPUBLISH @c hi; PUBSUB CHANNELS @c*; PUBSUB NUMSUB @c; PUBSUB NUMPAT",
        "NOSUCH; NOSUCH a b; LPUSH; LPUSH @l; HSET @h a; XADD; ZADD @z; OBJECT; OBJECT NOSUCH @a; CLIENT NOSUCH; COMMAND NOSUCH; EVAL; EVAL x; EVAL 'return 1' x; EVAL 'return 1' -1; EVAL 'return 1' 2 @a",
        "COMMAND COUNT; COMMAND INFO get lpush nosuch; COMMAND GETKEYS SET a b; COMMAND GETKEYS EVAL x 2 a b c; COMMAND GETKEYS PING; COMMAND LIST FILTERBY PATTERN xreadg*; COMMAND DOCS ping; COMMAND NOSUCH",
        "ACL WHOAMI; ACL CAT nosuch; SLOWLOG LEN; MODULE LIST; LATENCY LATEST; ROLE; MEMORY DOCTOR; CONFIG HELP; ACL HELP; READONLY; ASKING; WAIT 0 1",
    ]

    static let scripts: [String] = [
        "EVAL 'return {1,2,{3,KEYS[1],ARGV[1]},false,true}' 1 @a x; EVAL 'return redis.status_reply(ARGV[1])' 0 FINE; EVAL 'return redis.error_reply(ARGV[1])' 0 MYERR; EVAL 'return {err=ARGV[1]}' 0 WHY; EVAL 'return nil' 0; EVAL 'return 3.99' 0",
        "SET @a 1; EVAL 'return redis.call(ARGV[1],KEYS[1])' 1 @a INCR; GET @a; EVAL 'redis.call(ARGV[1],KEYS[1],ARGV[2])' 1 @a SET new; GET @a; EVAL_RO 'return redis.call(ARGV[1],KEYS[1])' 1 @a GET; EVAL_RO 'return redis.call(ARGV[1],KEYS[1])' 1 @a INCR; GET @a",
        "SCRIPT LOAD 'return KEYS[1]'; EVALSHA 4ca238f611c9d0ae4e9a75a5dbac22aedc1e44 1 @a; SCRIPT EXISTS 0000000000000000000000000000000000000000; EVALSHA 0000000000000000000000000000000000000000 0; EVAL 'return {' 0; EVAL 'redis.setresp(3); return {double=3.5}' 0; EVAL 'redis.setresp(3); return {map={a=1}}' 0",
        "EVAL 'redis.setresp(3); return {set={a=true}}' 0; EVAL 'redis.setresp(3); return {big_number=ARGV[1]}' 0 12345678901234567890; EVAL 'redis.setresp(3); return {verbatim_string={format=ARGV[1],string=ARGV[2]}}' 0 txt hi; DEBUG PROTOCOL attrib",
        "FUNCTION LOAD REPLACE '#!lua name=lib\nredis.register_function(\"f1\", function(keys, args) return redis.call(\"SET\", keys[1], args[1]) end)\nredis.register_function{function_name=\"f2\", callback=function(keys) return redis.call(\"GET\", keys[1]) end, flags={\"no-writes\"}}'; FCALL f1 1 @a v; GET @a; FCALL f1 1 @a w; GET @a; FCALL_RO f2 1 @a; FCALL_RO f1 1 @a x; FUNCTION LIST LIBRARYNAME nosuch; FCALL nosuch 0; FUNCTION DELETE nosuch",
    ]

    static let transactions: [String] = [
        "MULTI; SET @a 1; LPUSH @l x y; INCR @a; LRANGE @l 0 -1; EXEC; GET @a; LLEN @l",
        "MULTI; LPUSH @l a; SET @l b; GET @l; LPUSH @l; EXEC; EXISTS @l; MULTI; LPUSH @l a; GET @l; INCR @l; LLEN @l; EXEC; GET @l",
        "MULTI; LPUSH @l a; DISCARD; LLEN @l; MULTI; SET @a x; INCR @a; HSET @a f v; EXEC; GET @a; MULTI; NOSUCH; LPUSH @l a; EXEC; LLEN @l",
        "MULTI; LPUSH @l a; MULTI; EXEC; LLEN @l; MULTI; SADD @s m; EXEC x; EXEC; SCARD @s; EXEC; DISCARD; MULTI; LPUSH @l b; WATCH @a; EXEC",
        "SET @a 1; MULTI; SET @a 2 EX; RPUSH @l 1; EXEC; GET @a; MULTI; INCRBY @a x; RPUSH @l 1; EXEC; LLEN @l; GET @a; MULTI; PING; ECHO hi; LLEN @l; EXEC; MULTI; PING; EXEC; MULTI; SET @a 5; PING x; EXEC; GET @a",
        "MULTI; BLPOP @none 0; BLMOVE @none @x LEFT RIGHT 0; XREAD BLOCK 0 STREAMS @none $; EVAL 'return redis.call(ARGV[1],KEYS[1])' 1 @a INCR; EXEC; GET @a; MULTI; UNWATCH; LLEN @l; EXEC",
        "SET @a 1; WATCH @a; GET @a; MULTI; SET @a 2; GET @a; EXEC; GET @a; WATCH @a @b; SET @a 3; MULTI; SET @a 4; EXEC; GET @a; UNWATCH; WATCH; WATCH @a; UNWATCH x; UNWATCH; MULTI; GET @a; EXEC",
        "SET @a 1; GET @a; WATCH @a; !SET @a 9; GET @a; MULTI; INCR @a; EXEC; GET @a; WATCH @a; DISCARD; MULTI; DISCARD; WATCH @a; MULTI; INCR @a; EXEC; GET @a",
        "WATCH @l; LPUSH @l a; LRANGE @l 0 -1; TYPE @l; MULTI; LPUSH @l b; EXEC; WATCH @a; STRLEN @a; MSET @a 1 @b 2; MGET @a @b; EXISTS @a @b; TTL @a; PING; UNWATCH; MGET @a @b",
        "WATCH @a; EVAL 'return redis.call(ARGV[1],KEYS[1])' 1 @b INCR; MULTI; GET @b; EXEC; GET @b; WATCH @a; BLPOP @none 0.01; MULTI; EXEC; WATCH @a; MULTI; SET @a; SET @a 1; EXEC; EXISTS @a",
    ]

    static let blocking: [String] = [
        "RPUSH @l a b c; BLPOP @l 1; BRPOP @l 1; BLMOVE @l @m LEFT RIGHT 1; BRPOPLPUSH @m @l 1; LRANGE @l 0 -1; BLMPOP 1 2 @x @l LEFT; BLPOP @none 0.01; BLPOP @l x; BLPOP @l -1; BLPOP @l",
        "ZADD @z 1 a 2 b 3 c; BZPOPMIN @z 1; BZPOPMAX @z 1; BZMPOP 1 1 @z MIN; BZPOPMIN @z 0.01; BZMPOP 0.01 1 @z MAX; GET @z; BLMPOP 0.01 1 @none LEFT; BLMOVE @none @z LEFT LEFT 0.01; SET @s x; BLPOP @s 1; GET @s",
        "XREAD BLOCK 10 STREAMS @x $; XADD @x 1-1 f v; XREAD BLOCK 10 STREAMS @x 0; XREAD BLOCK x STREAMS @x 0; XGROUP CREATE @x g $; XREADGROUP GROUP g c BLOCK 10 STREAMS @x >; SET @s v; GET @s; WAIT 1 10; WAIT x 1",
    ]

    static let all = collections + streams + others + scripts + transactions + blocking
}
