// What the environment tells of a service manager, and what is told to one.

import Testing

@testable import Server

@Suite struct ServiceManagerTests {
    private func manager(_ environment: [String: String]) -> ServiceManager {
        ServiceManager(environment, processID: 42)
    }

    @Test func `without a manager there is nothing to do`() {
        #expect(manager([:]) == .none)
        #expect(!ServiceManager.none.tell("READY=1"))
    }

    @Test func `sockets are ours only where the process id says so`() {
        #expect(manager(["LISTEN_FDS": "2", "LISTEN_PID": "42"]).socketCount == 2)
        #expect(manager(["LISTEN_FDS": "2", "LISTEN_PID": "41"]).socketCount == 0)
        #expect(manager(["LISTEN_FDS": "2"]).socketCount == 0)
    }

    @Test(arguments: ["-1", "x", "", "99999999999"])
    func `a count that makes no sense is none`(count: String) {
        #expect(manager(["LISTEN_FDS": count, "LISTEN_PID": "42"]).socketCount == 0)
    }

    @Test func `a watchdog is ours, or nobody's in particular`() {
        #expect(manager(["WATCHDOG_USEC": "30000000"]).watchdogMilliseconds == 30_000)
        #expect(manager(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"]).watchdogMilliseconds == 30_000)
        #expect(manager(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"]).watchdogMilliseconds == nil)
        #expect(manager(["WATCHDOG_USEC": "0"]).watchdogMilliseconds == nil)
    }

    @Test func `news go to a path or an abstract name, and to nothing else`() {
        #expect(manager(["NOTIFY_SOCKET": "/run/notify"]).notifySocket == "/run/notify")
        #expect(manager(["NOTIFY_SOCKET": "@name"]).notifySocket == "@name")
        #expect(manager(["NOTIFY_SOCKET": "vsock:2:1"]).notifySocket == nil)
        #expect(manager(["NOTIFY_SOCKET": "/" + String(repeating: "n", count: 200)]).notifySocket == nil)
    }

    @Test func `a manager that is gone is not waited for`() {
        #expect(!manager(["NOTIFY_SOCKET": "/nowhere/notify"]).tell("READY=1"))
    }
}
