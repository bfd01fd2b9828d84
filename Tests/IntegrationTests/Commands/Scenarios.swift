// What is asked of Hearth and of a real Redis, line by line; both must answer with the same bytes.
//
// A line is a command. A word that begins with @ is a key of this scenario's own; '' is an empty word; ~N is N bytes of
// x. A line that begins with ! goes to the Redis behind Hearth without Hearth: what another application might do.

enum Scenarios {
    static let strings: [String] = [
        "GET @a; SET @a 1; GET @a; STRLEN @a; EXISTS @a; TYPE @a; DEL @a; GET @a; EXISTS @a; TYPE @a; STRLEN @a; DEL @a",
        "SET @a ''; GET @a; STRLEN @a; APPEND @a ''; APPEND @a xy; GET @a; GETRANGE @a 0 -1",
        "SET '' empty-key; GET ''; EXISTS ''; DEL ''",
        "SET @a 1 NX; SET @a 2 NX; GET @a; SET @a 3 XX; GET @a; DEL @a; SET @a 4 XX; GET @a",
        "SET @a 1 nx ex 100; TTL @a; SET @a 2 Xx Px 50000; PTTL @a; SET @a 3 KEEPTTL; PTTL @a; GET @a; SET @a 4; TTL @a",
        "SET @a 1 GET; SET @a 2 GET; SET @a 3 XX GET; GET @a; SET @b 1 XX GET; GET @b",
        "SET @a 1 NX GET; GET @a; SET @a 2 NX GET; GET @a; SET @a 3 GET NX EX 10; TTL @a",
        "SET @a 1 NX XX; SET @a 1 XX NX; SET @a 1 EX 10 PX 10; SET @a 1 EX 10 KEEPTTL; SET @a 1 KEEPTTL EX 10; GET @a",
        "SET @a 1 EX; SET @a 1 PX; SET @a 1 EXAT; SET @a 1 FOO; SET @a 1 EX 10 FOO; SET @a 1 NX NX; SET @a 1 GET GET",
        "SET @a 1 EX 0; SET @a 1 EX -1; SET @a 1 PX 0; SET @a 1 EXAT 0; SET @a 1 PXAT -5; SET @a 1 EX abc; GET @a",
        "SET @a 1 EX 1.5; SET @a 1 EX ''; SET @a 1 EX +5; SET @a 1 EX ' 5'; SET @a 1 EX 05; GET @a",
        "SET @a 1 EX 9223372036854775807; SET @a 1 PX 9223372036854775807; SET @a 1 EX 9223372036854775; GET @a",
        "SET @a 1 EX 9223372036854775808; SET @a 1 PXAT 9223372036854775807; EXPIRETIME @a; PEXPIRETIME @a; GET @a",
        "SET @a 1 EXAT 9223372036854775; EXPIRETIME @a; SET @a 2 EXAT 9223372036854776; PEXPIRETIME @a",
        "SET @a 1 EXAT 1; GET @a; EXISTS @a; SET @a 2; SET @a 3 PXAT 1000; GET @a; SET @a 4 EXAT 33177117420; TTL @a",
        "SET @a 1 EX 100 EX 200; TTL @a; SET @a 1 KEEPTTL KEEPTTL; GET @a; SET @a 1 PERSIST; SET @a 1 EXAT 10 PXAT 10",
        "SET; SET @a; GET; GET @a @b; STRLEN; STRLEN @a @b; APPEND @a; APPEND @a 1 2; SET @a 1 2 3 4 5 6 7 8 9",
        "SETNX @a 1; SETNX @a 2; GET @a; SETNX @a; SETNX @a 1 2; SETNX",
        "SETEX @a 10 v; TTL @a; SETEX @a 0 v; SETEX @a -1 v; SETEX @a x v; SETEX @a 10; SETEX @a 10 v w; GET @a",
        "PSETEX @a 10000 v; PTTL @a; PSETEX @a 0 v; PSETEX @a -5 v; PSETEX @a 1.5 v; PSETEX @a 9223372036854775807 v",
        "SETEX @a 9223372036854775807 v; SETEX @a 9223372036854775 v; SETEX @a 99999999999999999999 v; GET @a",
        "GETSET @a 1; GETSET @a 2; GET @a; SET @a 3 EX 100; GETSET @a 4; TTL @a; GETSET @a; GETSET @a 1 2",
        "GETDEL @a; SET @a 1; GETDEL @a; GET @a; GETDEL @a; GETDEL; GETDEL @a @b",
        "GETEX @a; SET @a 1; GETEX @a; TTL @a; GETEX @a EX 100; TTL @a; GETEX @a; TTL @a; GETEX @a PERSIST; TTL @a",
        "SET @a 1; GETEX @a PX 50000; PTTL @a; GETEX @a EXAT 33177117420; EXPIRETIME @a; GETEX @a PXAT 33177117420000",
        "SET @a 1; GETEX @a EX 0; GETEX @a EX -1; GETEX @a EX; GETEX @a FOO; GETEX @a EX 10 PERSIST; GETEX @a PERSIST EX 1",
        "SET @a 1; GETEX @a EX 10 PX 10; GETEX @a KEEPTTL; GETEX @a NX; GETEX @a GET; GETEX @a EX abc; GETEX; GET @a",
        "SET @a 1; GETEX @a EXAT 1; GET @a; EXISTS @a; SET @a 2; GETEX @a PXAT 1; GET @a; GETEX @a EX 10",
        "GETEX @a EX 0; GETEX @a EX 9223372036854775807; GETEX @a PERSIST PERSIST; GETEX @a EX 10 EX 20",
        "MSET @a 1 @b 2; MGET @a @b @c; MGET @a @a; MSET @a; MSET @a 1 @b; MSET; MGET; MSET @a 1 @a 2; GET @a",
        "MSETNX @a 1 @b 2; MSETNX @b 3 @c 4; MGET @a @b @c; MSETNX @a; MSETNX @c 1 @c 2; GET @c; MSETNX @d 1 @e",
        "SET @a 1 EX 100; MSET @a 2 @b 3; TTL @a; TTL @b; MGET @b @a @zz",
        "APPEND @a abc; APPEND @a def; GET @a; STRLEN @a; SET @a x EX 100; APPEND @a y; TTL @a; GET @a",
        "SET @a 'caf\u{e9}'; GET @a; STRLEN @a; GETRANGE @a 3 4",
    ]

    static let numbers: [String] = [
        "INCR @a; INCR @a; DECR @a; GET @a; INCRBY @a 10; DECRBY @a 20; GET @a; INCR; INCR @a 1; INCRBY @a; DECRBY @a",
        "SET @a abc; INCR @a; INCRBY @a 5; DECR @a; INCRBYFLOAT @a 1; GET @a; STRLEN @a",
        "SET @a 9223372036854775807; INCR @a; INCRBY @a 1; DECR @a; GET @a; INCRBY @a 1; INCRBY @a 1; GET @a",
        "SET @a -9223372036854775808; DECR @a; DECRBY @a 1; INCR @a; DECRBY @a 1; DECRBY @a 1; GET @a",
        "DECRBY @a -9223372036854775808; DECRBY @a 9223372036854775807; DECR @a; DECR @a; GET @a",
        "INCRBY @a 9223372036854775808; INCRBY @a abc; INCRBY @a 1.5; INCRBY @a ''; INCRBY @a +1; INCRBY @a 01; GET @a",
        "SET @a ' 1'; INCR @a; SET @a '1 '; INCR @a; SET @a 01; INCR @a; SET @a +1; INCR @a; SET @a -0; INCR @a",
        "SET @a ''; INCR @a; SET @a 1.0; INCR @a; SET @a 0; DECR @a; SET @a -1; INCR @a; GET @a",
        "SET @a 5 EX 100; INCR @a; TTL @a; DECRBY @a 3; TTL @a; INCRBYFLOAT @a 0.5; TTL @a; GET @a",
        "INCRBYFLOAT @a 1.5; INCRBYFLOAT @a 1.5; GET @a; INCRBYFLOAT @a -3; GET @a; INCRBYFLOAT @a 0; TYPE @a",
        "INCRBYFLOAT @a 10.50; INCRBYFLOAT @a 0.1; INCRBYFLOAT @a -5; INCRBYFLOAT @a 5.0e3; INCRBYFLOAT @a 1e-7",
        "SET @a 3.0e3; INCRBYFLOAT @a 200; SET @a 1e308; INCRBYFLOAT @a 1e308; INCRBYFLOAT @a 1; GET @a",
        "SET @a 1e4932; INCRBYFLOAT @a 1e4932; INCRBYFLOAT @b 1e4000; STRLEN @b",
        "INCRBYFLOAT @a inf; INCRBYFLOAT @a nan; INCRBYFLOAT @a -inf; INCRBYFLOAT @a abc; INCRBYFLOAT @a ''; GET @a",
        "INCRBYFLOAT @a ' 1'; INCRBYFLOAT @a '1 '; INCRBYFLOAT @a 0x10; INCRBYFLOAT @a +1; INCRBYFLOAT @a .5; GET @a",
        "INCRBYFLOAT @a 5.; INCRBYFLOAT @a 1_0; INCRBYFLOAT @a 1e; INCRBYFLOAT @a --1; INCRBYFLOAT @a 1e400; GET @a",
        "INCRBYFLOAT @a 0.1; INCRBYFLOAT @a 0.2; INCRBYFLOAT @a 0.30000000000000004; INCRBYFLOAT @a 123456789.123456789",
        "INCRBYFLOAT @a 1e20; INCRBYFLOAT @a 1; INCRBYFLOAT @a -1e20; SET @a 0.00000000000000001; INCRBYFLOAT @a 0",
        "SET @a 1.0000; INCRBYFLOAT @a 0; GET @a; SET @a -0.0; INCRBYFLOAT @a 0; SET @a 100; INCRBYFLOAT @a 1e2; INCR @a",
        "INCRBYFLOAT @a 3.14; INCR @a; INCRBYFLOAT; INCRBYFLOAT @a; INCRBYFLOAT @a 1 2; INCRBYFLOAT @a 17179869184.5",
        "SET @a inf; INCRBYFLOAT @a 1; SET @a nan; INCRBYFLOAT @a 1; SET @a ' 5'; INCRBYFLOAT @a 1; SET @a ''; INCRBYFLOAT @a 1",
    ]

    static let ranges: [String] = [
        "SET @a Hello-World; GETRANGE @a 0 4; GETRANGE @a -5 -1; GETRANGE @a 0 -1; GETRANGE @a 5 2; GETRANGE @a 100 200",
        "SET @a abc; GETRANGE @a -100 -200; GETRANGE @a -200 -100; GETRANGE @a -100 1; GETRANGE @a 1 100; GETRANGE @a -1 0",
        "SET @a abc; GETRANGE @a 0 0; GETRANGE @a 2 2; GETRANGE @a 3 3; GETRANGE @a -3 -3; GETRANGE @a -1 -3; SUBSTR @a 0 1",
        "SET @a abc; GETRANGE @a 9223372036854775807 1; GETRANGE @a -9223372036854775808 9223372036854775807",
        "SET @a abc; GETRANGE @a -9223372036854775808 -9223372036854775808; GETRANGE @a 0 -9223372036854775808",
        "GETRANGE @a 0 -1; GETRANGE @a x 1; GETRANGE @a 1 x; GETRANGE @a 1; GETRANGE; GETRANGE @a 1 9223372036854775808",
        "SET @a ''; GETRANGE @a 0 -1; GETRANGE @a -1 -1; GETRANGE @a 0 0; SUBSTR @a 0; SUBSTR @a x y",
        "SETRANGE @a 0 abc; GET @a; SETRANGE @a 1 X; GET @a; SETRANGE @a 5 Y; GET @a; STRLEN @a; SETRANGE @a 2 ''; GET @a",
        "SETRANGE @a 0 ''; EXISTS @a; SETRANGE @a 10 ''; EXISTS @a; SETRANGE @a -1 x; SETRANGE @a x y; SETRANGE @a 1",
        "SET @a abc EX 100; SETRANGE @a 3 def; TTL @a; GET @a; SETRANGE @a 0 ''; SETRANGE @b -1 ''; EXISTS @b",
        "SETRANGE @a 4 x; GETRANGE @a 0 -1; APPEND @a yz; STRLEN @a; SETRANGE @a 9223372036854775808 x; SETRANGE @a 1.5 x",
    ]

    static let lives: [String] = [
        "TTL @a; PTTL @a; EXPIRETIME @a; PEXPIRETIME @a; SET @a 1; TTL @a; PTTL @a; EXPIRETIME @a; PEXPIRETIME @a",
        "SET @a 1; EXPIRE @a 100; TTL @a; PTTL @a; PERSIST @a; TTL @a; PERSIST @a; PERSIST @b; EXPIRE @b 100",
        "SET @a 1; PEXPIRE @a 100000; PTTL @a; EXPIREAT @a 33177117420; EXPIRETIME @a; PEXPIREAT @a 33177117420123; PEXPIRETIME @a; EXPIRETIME @a",
        "SET @a 1; EXPIRE @a 0; EXISTS @a; SET @a 1; EXPIRE @a -1; GET @a; SET @a 1; PEXPIREAT @a 1; GET @a; SET @a 1; EXPIREAT @a -10; GET @a",
        "SET @a 1; EXPIRE @a 100 NX; EXPIRE @a 200 NX; TTL @a; EXPIRE @a 300 XX; TTL @a; PERSIST @a; EXPIRE @a 50 XX; TTL @a",
        "SET @a 1; EXPIRE @a 100 GT; TTL @a; EXPIRE @a 100 LT; TTL @a; EXPIRE @a 50 GT; TTL @a; EXPIRE @a 200 GT; TTL @a",
        "SET @a 1 EX 100; EXPIRE @a 200 LT; TTL @a; EXPIRE @a 50 LT; TTL @a; EXPIRE @a 20 XX LT; TTL @a; EXPIRE @a 60 XX GT; TTL @a",
        "SET @a 1; EXPIRE @a 10 NX XX; EXPIRE @a 10 NX GT; EXPIRE @a 10 NX LT; EXPIRE @a 10 GT LT; EXPIRE @a 10 XX GT LT; TTL @a",
        "SET @a 1; EXPIRE @a 10 FOO; EXPIRE @a 10 NX FOO; EXPIRE @a 10 NX NX; TTL @a; EXPIRE @a 20 gt gt; EXPIRE @a x FOO; EXPIRE @a x",
        "SET @a 1 EX 100; EXPIRE @a -1 GT; EXISTS @a; EXPIRE @a -1 LT; EXISTS @a; SET @a 1; EXPIRE @a 0 XX; EXISTS @a; EXPIRE @a 0 GT; EXISTS @a",
        "SET @a 1; EXPIRE @a 9223372036854775807; EXPIRE @a 9223372036854775; EXPIRE @a -9223372036854775808; EXPIRE @a 9223372036854775808; TTL @a",
        "SET @a 1; PEXPIRE @a 9223372036854775807; PEXPIRE @a -9223372036854775808; EXISTS @a; TTL @a",
        "SET @a 1; EXPIREAT @a 9223372036854775807; EXPIREAT @a -9223372036854775808; PEXPIREAT @a 9223372036854775807; PEXPIRETIME @a",
        "SET @a 1; PEXPIREAT @a -9223372036854775808; EXISTS @a; EXPIRE @b 9223372036854775807; EXPIRE @b x; EXPIRE @b 10 FOO",
        "EXPIRE; EXPIRE @a; PEXPIRE @a; EXPIREAT @a; PEXPIREAT @a; TTL; TTL @a @b; PTTL; EXPIRETIME; PEXPIRETIME @a @b; PERSIST; PERSIST @a @b",
        "SET @a 1; EXPIRE @a 1.5; EXPIRE @a ''; EXPIRE @a ' 1'; PEXPIRE @a abc; EXPIREAT @a 1e3; GET @a; TTL @a",
        "SET @a 1 PX 1499; TTL @a; SET @a 1 PX 1501; TTL @a; MULTI; SET @a 1 PX 400; TTL @a; EXEC; SET @a 1 PX 100600; TTL @a",
        "SET @a 1 EX 100; SET @a 2; TTL @a; SET @a 3 EX 100; SET @a 4 KEEPTTL; TTL @a; APPEND @a x; TTL @a; SETRANGE @a 0 y; TTL @a",
        "SET @a 1; PEXPIREAT @a 33177117420500; EXPIRETIME @a; PEXPIREAT @a 33177117420999; EXPIRETIME @a; TTL @b; EXPIRETIME @b",
    ]

    static let keys: [String] = [
        "SET @a 1; SET @b 2; DEL @a @b @c; DEL @a; EXISTS @a @b; SET @a 1; UNLINK @a @a; UNLINK @a; DEL; UNLINK",
        "SET @a 1; SET @b 2; EXISTS @a @b @a @c; TOUCH @a @b @c @a; EXISTS; TOUCH; TOUCH @c; TYPE; TYPE @a @b; TYPE @c",
        "SET @a 1 EX 100; RENAME @a @b; GET @a; GET @b; TTL @b; RENAME @a @b; RENAMENX @b @c; GET @c; SET @a 9; RENAMENX @a @c; GET @c",
        "SET @a 1; RENAME @a @a; GET @a; RENAMENX @a @a; GET @a; RENAME @zz @zz; RENAMENX @zz @yy; RENAME @a; RENAME; RENAMENX @a @b @c",
        "SET @a 1; SET @b 2 EX 100; RENAME @a @b; GET @b; TTL @b; EXISTS @a; DEL @b; GET @b",
    ]

    /// Keys of other types, which only Redis can hold.
    static let otherTypes: [String] = [
        "!LPUSH @l a b; GET @l; STRLEN @l; GETRANGE @l 0 1; APPEND @l x; INCR @l; INCRBYFLOAT @l 1; SETRANGE @l 0 x; GETDEL @l; GETEX @l; GETEX @l EX 10",
        "!HSET @h f v; TYPE @h; EXISTS @h; TTL @h; EXPIRE @h 100; TTL @h; PERSIST @h; TTL @h; GETSET @h x; SET @h x GET; MGET @h @x; TYPE @h",
        "!SADD @s m; SETNX @s x; SET @s x NX; SET @s x XX; GET @s; TYPE @s; !DEL @s; !SADD @s m; MSETNX @s 1 @t 2; GET @t",
        "!LPUSH @l a; RENAME @l @m; TYPE @m; EXISTS @l @m; DEL @m @l; TYPE @m; GET @m; !HSET @n f v; PTTL @n; PEXPIRETIME @n",
        "!LPUSH @l a; SET @l str; GET @l; TYPE @l; !ZADD @z 1 m; MSET @z v; GET @z; !XADD @x * f v; TYPE @x; TOUCH @x; DEL @x; TYPE @x",
        "!LPUSH @l a; DECRBY @l 1; GETRANGE @l x 1; SETRANGE @l -1 x; SETRANGE @l 0 ''; EXPIRE @l 10 GT; GETEX @l PERSIST; STRLEN @l",
        "!LPUSH @l a; INCRBYFLOAT @l x; GETEX @l EX 0; GETEX @l EX x; GETEX @l FOO; MULTI; INCRBYFLOAT @l x; GETEX @l EX 0; EXEC",
    ]

    static let connection: [String] = [
        "PING; PING hello; PING a b; ping; ECHO hi; ECHO; ECHO a b; ECHO ''; PING ''",
        "SELECT 0; SELECT abc; SELECT; SELECT 0 0; SELECT -1x",
        "AUTH pw; AUTH user pw; AUTH; AUTH a b c",
        "CLIENT SETNAME me; CLIENT GETNAME; CLIENT SETNAME 'a b'; CLIENT GETNAME; CLIENT SETNAME ''; CLIENT GETNAME; CLIENT GETNAME x; CLIENT ID x",
        "CLIENT; CLIENT FOO; CLIENT SETNAME; CLIENT NO-EVICT on; CLIENT NO-EVICT x; CLIENT NO-EVICT; CLIENT NO-EVICT OFF",
        "HELLO 4; HELLO abc; HELLO 1; HELLO 3 FOO; HELLO 3 SETNAME; HELLO 3 AUTH x; HELLO 3 SETNAME 'a b'; HELLO 9223372036854775808",
        "NOSUCH; NOSUCH a b; nosuch 'with space' ~200; FOO ~300 b; '' ; 'a b' c; ~200 x",
        "COMMAND COUNT x; COMMAND GETKEYS GET k; COMMAND GETKEYS MSET a 1 b 2; COMMAND GETKEYS PING; COMMAND GETKEYS NOSUCH; COMMAND GETKEYS GET; COMMAND FOO; COMMAND GETKEYS",
        "TIME x; CONFIG; CONFIG GET; CONFIG GET nosuchparameter; CONFIG FOO; RESET x; QUIT x; ",
    ]

    static let transactions: [String] = [
        "MULTI; SET @a 1; GET @a; INCR @a; EXEC; GET @a; EXEC; DISCARD",
        "MULTI; MULTI; SET @a 1; EXEC; GET @a; MULTI; SET @a 2; DISCARD; GET @a; DISCARD",
        "MULTI; EXEC; MULTI; GET; SET @a 1; EXEC; GET @a; MULTI; NOSUCH; SET @a 1; EXEC; GET @a",
        "MULTI; SET @a abc; INCR @a; SET @b 2; EXEC; GET @b; MULTI; SET @a 1 EX; EXEC; GET @a",
        "SET @a abc; MULTI; SET @a 1 EX abc; SET @b 1; EXEC; GET @a; MULTI; EXPIRE @a x; SET @c 1; EXEC; GET @c",
        "MULTI; MSET @a 1 @b 2; MGET @a @b @c; DEL @a; EXISTS @a @b; TTL @b; STRLEN @b; TYPE @b; EXEC; MGET @a @b",
        "MULTI; SET @a 1; GETSET @a 2; GETDEL @a; GET @a; SETNX @a 3; APPEND @a x; GETRANGE @a 0 0; EXEC; GET @a",
        "MULTI 1; EXEC 1; DISCARD 1; MULTI; EXEC x; SET @a 1; EXEC; MULTI; DISCARD x; EXEC",
        "SET @a 1; MULTI; INCR @a; EXPIRE @a 100; PERSIST @a; INCRBYFLOAT @a 0.5; GETEX @a EX 50; EXEC; TTL @a; GET @a",
        "MULTI; INCRBY @a abc; INCRBY @a 1; EXEC; GET @a; MULTI; SETRANGE @a -1 x; EXEC; MULTI; INCRBYFLOAT @a x; SET @a 1; EXEC; GET @a",
        "MULTI; DECRBY @a -9223372036854775808; SET @b 1; EXEC; GET @b; MULTI; MSET @a; SET @b 2; EXEC; GET @b",
        "SET @a 1; GET @a; MULTI; SET @a 2; EXEC; GET @a; MULTI; DEL @a; EXEC; GET @a; MULTI; RENAME @b @c; SET @b 1; EXEC; GET @b",
    ]

    /// Reads and writes of the same keys; sent as one pipeline, each must see what stands before it.
    static let mixed: [String] = [
        "SET @a 1; GET @a; SET @a 2; GET @a; APPEND @a x; GET @a; DEL @a; GET @a; SETNX @a 5; GET @a; INCR @a; GET @a; MGET @a @b; SET @b 1; MGET @a @b",
        "GET @a; SET @a v EX 100; GET @a; TTL @a; PERSIST @a; TTL @a; GETEX @a EX 50; TTL @a; GETDEL @a; TTL @a; EXISTS @a; SET @a w; EXISTS @a",
        "MSET @a 1 @b 2 @c 3; GET @b; DEL @a @c; MGET @a @b @c; RENAME @b @a; MGET @a @b @c; SETRANGE @a 3 z; GET @a; STRLEN @a; GETSET @a n; GET @a",
        "GET @a; GET @a; GET @b; SET @a 1; GET @b; GET @a; SET @b 2; MGET @a @b @a; INCR @a; INCR @b; MGET @a @b; FLUSHDB; GET @a; MGET @a @b; DBSIZE",
        "SET @a 1; FLUSHDB; GET @a; EXISTS @a; SET @a 2; GET @a; FLUSHDB SYNC; SET @a 3; GET @a; FLUSHDB ASYNC; GET @a; FLUSHDB x; TTL @a; MGET @a @b",
        "SET @a 1; GET @a; MULTI; SET @a 2; INCR @a; EXEC; GET @a; MGET @a @b; MULTI; DEL @a; SET @b 1; EXEC; MGET @a @b; EXISTS @a; GET @b",
    ]

    static let stringsOnly = strings + numbers + ranges + lives + keys + connection + transactions + mixed
}
