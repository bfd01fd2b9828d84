// `hearth help`: every command with what it takes.

extension CommandLineTool {
    /// A command as help shows it, and how it is run.
    struct Entry {
        let name: String
        let usage: String
        let summary: String
        /// What else to know; lines of at most 100 characters.
        let details: String
        let run: (CommandLineTool) -> Never
    }

    static var entries: [Entry] {
        [
            Entry(
                name: "serve", usage: "serve", summary: "serve clients on the socket until SIGTERM",
                details: """
                    SIGTERM and SIGINT drain: what is in flight is answered within `drain`, then the process ends. A
                    second one ends it at once. SIGHUP reads the configuration again. Logs are JSON lines on standard
                    error. Exit codes: 0 ended in order, 69 a socket, a directory or a port is not to be had,
                    78 the configuration is wrong.
                    """, run: { $0.serve() }),
            Entry(
                name: "status", usage: "status [--json]", summary: "what a running Hearth holds and how it fares",
                details:
                    "Rates and percentiles are over its whole life. --json prints the document of the admin port's /status.",
                run: { $0.status() }),
            Entry(
                name: "top", usage: "top [--count N]", summary: "the same, live: one screen, each second",
                details: """
                    Rates and percentiles are those of the last second, on the first screen those of its whole life.
                    q or Ctrl-C leaves. Where standard output is no terminal, each screen is printed as text. --count N
                    ends after N of them.
                    """, run: { $0.top() }),
            Entry(
                name: "explain", usage: "explain KEY",
                summary: "which tier holds a key, and how a read would be answered",
                details:
                    "Leaves no trace: nothing is asked of Redis, and nothing counts as a use. After --, a KEY may begin with --.",
                run: { $0.explain() }),
            Entry(
                name: "breaker", usage: "breaker [open|close|auto]", summary: "show the breaker, or force it",
                details: """
                    open takes Redis out of the way, close keeps asking it whatever happens, auto gives the breaker back
                    to its own judgement. A forced breaker stays forced until auto, or until the process ends.
                    """, run: { $0.breaker() }),
            Entry(
                name: "slowlog", usage: "slowlog [reset] [--count N] [--key KEY]",
                summary: "requests that took long, and which way they went through the tiers",
                details: """
                    The newest first, 32 of them or --count N; those of one key with --key, also where keys are
                    hashed. What is slow says slowlog.threshold. What is neither a tier's time nor a replica's was
                    waited: for a place, for another's question, for the worker. reset forgets them.
                    """, run: { $0.slowLog() }),
            Entry(
                name: "metrics", usage: "metrics", summary: "every metric, as Prometheus scrapes it",
                details: "The same text as the admin port's /metrics, without the port.", run: { $0.metrics() }),
            Entry(
                name: "warm", usage: "warm inspect|verify [DIR]",
                summary: "what lies in a warm directory, and whether it is sound",
                details: """
                    inspect reads footers, verify every record. Both write nothing and work whether or not
                    Hearth runs. DIR is warm.path where it is not given.
                    Exit codes: 0 it is sound, 66 it has no segments, 69 it has damage or can't be read.
                    """, run: { $0.warm() }),
            Entry(
                name: "journal", usage: "journal list|conflicts|replay|discard|forget|inspect|export",
                summary: "writes that wait for Redis, and conflicts that a replay found",
                details: """
                    list and conflicts show the oldest hundred, or --count N. replay tries at once what is due. discard
                    ALL|SEQUENCE… forgets entries without doing them: they are lost. forget ALL|ID… forgets conflicts
                    that have been looked at. export prints everything as JSON lines, bytes in base 64. inspect and
                    export DIR read the files of a Hearth that is gone; they write nothing. Exit code 66: DIR has no
                    segments.
                    """, run: { $0.journal() }),
            Entry(
                name: "migrate", usage: "migrate --prefix PREFIX [--dry-run] [--state FILE]",
                summary: "bring records to their policy's schema, or tell what that would do",
                details: """
                    Works through a running Hearth, on all keys of its Redis (without Redis: of its disk) that begin
                    with PREFIX; '' is all of them. --dry-run changes nothing and tells what each step would do, what it
                    would lose for good, and which records it can't be carried out on. --held takes records along whose
                    policy says write_back: hold. --rate N looks at N records a second at most (500). --state FILE keeps
                    the place after each page: after an interruption the same command goes on there; without it, it
                    begins anew and finds what is done. --json prints the report as JSON. Failures are listed by the
                    first 16 digits of the key's SHA-256, with --show-keys by key. No newer write is undone.
                    Exit codes: 0 all have their schema now (or are held), 69 some can't, or Hearth or its Redis gave
                    no answer for 30 seconds, or the run was interrupted, 78 no policy under PREFIX names a schema.
                    """, run: { $0.migrate() }),
            Entry(
                name: "audit", usage: "audit verify|show [FILE…]",
                summary: "whether the audit is whole, and who touched a key",
                details: """
                    verify reads the files in the order of their lines and says where a line was altered, taken out, put
                    in, moved or cut off. Without FILE it reads those of audit.path, and asks a running Hearth where its
                    audit stands. --head SEQUENCE:HASH compares with a head that was kept elsewhere; --partial allows
                    the row to begin and end with any file. show prints lines: --key KEY, --actor NAME, --command NAME,
                    --since 2026-01-31T23:00. Exit codes: 0 it is whole, 69 it is not, or can't be read.
                    """, run: { $0.audit() }),
            Entry(
                name: "check", usage: "check FILE", summary: "say what is wrong with a configuration",
                details:
                    "Every mistake, with file, line, column and a suggestion. Exit codes: 0 it is good, 78 it is not.",
                run: { $0.check() }),
            Entry(
                name: "config", usage: "config", summary: "print the effective configuration, secrets redacted",
                details: "What the file, the environment and the flags come to together.",
                run: { $0.printConfiguration() }),
            Entry(
                name: "version", usage: "version", summary: "print the version", details: "",
                run: { $0.printVersion() }),
            Entry(
                name: "help", usage: "help [COMMAND]", summary: "this, or more about one command", details: "",
                run: { $0.help() }),
        ]
    }

    static var usage: String {
        let width = entries.map(\.usage.count).max() ?? 0
        return """
            Hearth keeps an application's state warm: a cache beside it that speaks the Redis protocol.

            usage: hearth COMMAND [--config FILE] [--KEY VALUE …]

            \(entries.map { "  \(Figures.left($0.usage, width))  \($0.summary)" }.joined(separator: "\n"))

            \(configurationHelp)
            Exit codes: 0 done, 64 wrong usage, 66 nothing to read in a directory, 69 something needed is not to be
            had, 70 a fault of Hearth's, 78 wrong configuration.
            """
    }

    static let configurationHelp = """
        Every key of the configuration is a flag (--redis-url, --local-max-bytes …) and an environment variable
        (HEARTH_REDIS_URL …): flags go over the environment, that over the file (--config or HEARTH_CONFIG), that
        over the defaults. Commands that talk to a running Hearth find its socket and password in the same way.
        docs/configuration.md describes the keys.
        """

    func help() -> Never {
        let names = arguments.dropFirst()
        guard let name = names.first else {
            print(Self.usage)
            finish(.clean)
        }
        guard names.count == 1, let entry = Self.entries.first(where: { $0.name == name }) else {
            fail(.usage, "hearth: there is no command '\(names.joined(separator: " "))'; see hearth help")
        }
        print("usage: hearth \(entry.usage) [--config FILE] [--KEY VALUE …]\n\n\(entry.summary)")
        if !entry.details.isEmpty { print("\n" + entry.details) }
        print("\n" + Self.configurationHelp)
        finish(.clean)
    }
}
