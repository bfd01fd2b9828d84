// Flag over environment over file over default, by one table.

import Configuration
import Testing

@Suite struct LayerTests {
    @Test func `a flag is stronger than the environment, that than the file, that than the default`() throws {
        let file = "workers: 2\ndrain: 2s\nlocal: {max_bytes: 2MiB}\n"
        let environment = ["HEARTH_WORKERS": "3", "HEARTH_DRAIN": "3s", "PATH": "/bin", "hearth_x": ""]
        let configuration = try load(file, environment: environment, flags: [("--workers", "4")])
        #expect(configuration.server.workers == 4)
        #expect(configuration.server.drain == .seconds(3))
        #expect(configuration.local.maxBytes == 2 << 20)
        #expect(configuration.server.maxClients == 1024)
    }

    @Test func `every key has a variable and a flag, and no two share one`() {
        let keys = Configuration.keys
        #expect(Set(keys.map(\.environment)).count == keys.count)
        #expect(Set(keys.map(\.flag)).count == keys.count)
        for key in keys { #expect(!isReserved(key.environment), "\(key.environment)") }
    }

    private func isReserved(_ name: String) -> Bool { Configuration.reservedVariables.contains(name) }

    @Test func `every key's own default is accepted from the environment and as a flag`() throws {
        for key in Configuration.keys {
            guard var value = key.standard else { continue }
            value = value.hasPrefix("[") ? "" : String(value.drop { $0 == "\"" }.prefix { $0 != "\"" })
            #expect(try load(environment: [key.environment: value]) == Configuration(), "\(key.environment)=\(value)")
            #expect(try load(flags: [(key.flag, value)]) == Configuration(), "--\(key.flag) \(value)")
        }
    }

    @Test func `lists are written with commas, words switch off, and the last flag wins`() throws {
        let configuration = try load(
            environment: [
                "HEARTH_SOCKET_ALLOW_UIDS": "1, 2,3", "HEARTH_ADMIN_LISTEN": "off", "HEARTH_REDIS_URL": "off",
            ],
            flags: [("workers", "2"), ("--workers", "3"), ("--socket-mode", "0600"), ("--commands-allow", "*")])
        #expect(configuration.server.allowUids == [1, 2, 3])
        #expect(configuration.admin.listen == nil && configuration.redis == nil)
        #expect(configuration.server.workers == 3 && configuration.server.socketMode == 0o600)
        #expect(configuration.commands.allow == ["*"])
    }

    @Test func `errors name the variable or the flag`() {
        #expect(
            refusals(environment: ["HEARTH_WORKERS": "x"]) == [
                "environment HEARTH_WORKERS: workers: found \"x\", expected a whole number from 1 to 256"
            ])
        #expect(
            refusals(flags: [("workers", "x")]) == [
                "flag --workers: workers: found \"x\", expected a whole number from 1 to 256"
            ])
        #expect(
            refusals(environment: ["HEARTH_WORKER": "1"]) == [
                "environment HEARTH_WORKER: no key has this name; did you mean HEARTH_WORKERS?"
            ])
        #expect(
            refusals(flags: [("--redis-ulr", "off")]) == [
                "flag --redis-ulr: no key has this name; did you mean --redis-url?"
            ])
        #expect(
            refusals(environment: ["HEARTH_REDIS_SOFT_TIMEOUT": "1s"]).first?.hasPrefix(
                "environment HEARTH_REDIS_SOFT_TIMEOUT: redis.soft_timeout (1s) is longer than") == true)
    }

    @Test func `a broken line of the file is refused even where a flag overrides it`() {
        #expect(refusals("workers: x", flags: [("workers", "1")]).count == 1)
    }

    @Test func `what Kubernetes sets for a service called hearth is no mistake`() throws {
        let environment = [
            "HEARTH_SERVICE_HOST": "10.0.0.1", "HEARTH_SERVICE_PORT": "6379", "HEARTH_SERVICE_PORT_ADMIN": "7381",
            "HEARTH_PORT": "tcp://10.0.0.1:6379", "HEARTH_PORT_6379_TCP": "tcp://10.0.0.1:6379",
            "HEARTH_PORT_6379_TCP_ADDR": "10.0.0.1", "HEARTH_ADMIN_SERVICE_HOST": "10.0.0.2",
            "HEARTH_ADMIN_PORT": "tcp://10.0.0.2:7381", "HEARTH_CONFIG": "/etc/hearth.yaml",
        ]
        #expect(try load(environment: environment) == Configuration())
        #expect(refusals(environment: ["HEARTH_ADMIN_PORT": "7381"]).count == 1)
    }

    @Test func `a password in the environment is a password, whatever it reads like`() throws {
        #expect(try load(environment: ["HEARTH_REDIS_PASSWORD": "null"]).redis?.password == "null")
        #expect(try load(environment: ["HEARTH_SOCKET_PASSWORD": "123"]).server.password == Array("123".utf8))
        #expect(refusals(environment: ["HEARTH_SOCKET_PASSWORD": ""]).count == 1)
    }
}
