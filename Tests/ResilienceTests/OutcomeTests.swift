// What Redis's error texts say about Redis.

import Resilience
import Testing

@Suite struct OutcomeTests {
    @Test(arguments: [
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Outcome.success),
        ("ERR syntax error", .success),
        ("ERR value is not an integer or out of range", .success),
        ("NOSCRIPT No matching script. Please use EVAL.", .success),
        ("BUSYGROUP Consumer Group name already exists", .success),
        ("BUSYKEY Target key name already exists.", .success),
        ("EXECABORT Transaction discarded because of previous errors.", .success),
        ("", .success),
        ("LOADING Redis is loading the dataset in memory", .failure),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", .failure),
        ("CLUSTERDOWN The cluster is down", .failure),
        ("TRYAGAIN Multiple keys request during rehashing of slot", .failure),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", .failure),
        ("ERR max number of clients reached", .failure),
        ("READONLY You can't write against a read only replica.", .writeFailure),
        ("OOM command not allowed when used memory > 'maxmemory'.", .writeFailure),
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist", .writeFailure),
        ("NOREPLICAS Not enough good replicas to write.", .writeFailure),
        ("NOAUTH Authentication required.", .refused),
        ("WRONGPASS invalid username-password pair or user is disabled.", .refused),
        ("DENIED Redis is running in protected mode", .refused),
        ("ERR invalid password", .refused),
        ("NOPERM this user has no permissions to run the 'get' command", .denied),
        ("LOADING", .failure),
        ("-READONLY You can't write", .writeFailure),
        ("LOADINGS", .success),
        ("LOAD", .success),
    ])
    func `an error text is judged by its first words`(_ text: String, _ outcome: Outcome) {
        #expect(Outcome(errorReply: text) == outcome)
    }

    @Test func `what somebody has to correct is told apart`() {
        #expect(Outcome.refused.isMisconfiguration)
        #expect(Outcome.denied.isMisconfiguration)
        #expect(!Outcome.failure.isMisconfiguration)
    }
}
