// `hearth migrate`: brings the records under a prefix to their policy's schema, or tells what that would do.
//
// DESIGN: it talks to a running Hearth and not to Redis. The steps are that Hearth's configuration, a record may be in
// its journal or on its disk alone, and without Redis nobody else can reach the records at all. A run walks the keys by
// SCAN and sends STATE.MIGRATE for each (STATE.MIGRATION in a dry run): a compare-and-set, which never undoes what
// somebody writes meanwhile. Nothing that is done twice does harm, so that an interrupted run is simply run again;
// with a state file it goes on where it was.

internal import Configuration

/// What a run is asked for.
struct MigrationOptions {
    var prefix: [UInt8]
    var isDryRun: Bool
    /// Also where the policy holds write-back.
    var includesHeld: Bool
    /// Requests a second at most.
    var rate: Int
    /// Where the run's place is kept; nil keeps it nowhere.
    var statePath: String?
    var isJSON: Bool
    /// Failures are listed by key, rather than by the key's hash.
    var showsKeys: Bool

    static let rateMax = 1_000_000
}

extension CommandLineTool {
    private static let migrateUsage = """
        usage: hearth migrate --prefix PREFIX [--dry-run] [--held] [--rate N] [--state FILE] [--json] [--show-keys]
        """

    func migrate() -> Never {
        let words = words(
            switches: ["--dry-run", "--held", "--json", "--show-keys"], options: ["--prefix", "--rate", "--state"])
        guard words.rest.isEmpty, let prefix = words.options["--prefix"] else {
            fail(.usage, Self.migrateUsage + "\nAn empty prefix, --prefix '', is every key.")
        }
        guard let rate = Int(words.options["--rate"] ?? "500"), (1...MigrationOptions.rateMax).contains(rate) else {
            fail(.usage, "hearth: --rate takes records a second, from 1 to \(MigrationOptions.rateMax)")
        }
        let options = MigrationOptions(
            prefix: Array(prefix.utf8), isDryRun: words.switches.contains("--dry-run"),
            includesHeld: words.switches.contains("--held"), rate: rate, statePath: words.options["--state"],
            isJSON: words.switches.contains("--json"), showsKeys: words.switches.contains("--show-keys"))
        Terminal.watchSignals()
        do throws(ControlError) {
            let run = try MigrationRun(options, load(words.file, words.flags).configuration)
            var trouble: ControlError?
            do throws(ControlError) { try run.run() } catch { trouble = error }
            guard run.hasBegun || trouble == nil else { throw trouble! }  // one of the two
            let report = MigrationReport(options, run.policies, run.progress)
            print(options.isJSON ? report.json : report.text)
            if let trouble { fail(trouble.code, trouble.text + run.advice) }
            guard run.progress.isDone else { fail(.unavailable, "hearth: interrupted" + run.advice) }
            run.forgetState()
            guard run.progress.failureCount == 0 else {
                fail(
                    .unavailable,
                    "hearth: \(run.progress.failureCount) records do not have their policy's schema, see above")
            }
            finish(.clean)
        } catch {
            fail(error.code, error.text)
        }
    }
}
