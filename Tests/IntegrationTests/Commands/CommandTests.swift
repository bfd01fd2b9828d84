// Every native command beside a real Redis.

import TestSupport
import Testing

extension RealProcesses {
    @Suite struct Commands {
        @Test(arguments: SideBySide.Mode.allCases)
        func `native commands answer as a real Redis does, byte for byte`(mode: SideBySide.Mode) throws {
            let pair = try SideBySide(mode)
            let scenarios = Scenarios.stringsOnly + (mode == .embedded ? [] : Scenarios.otherTypes)
            var differences: [Difference] = []
            var lines = 0
            for (number, scenario) in scenarios.enumerated() {
                for (resp3, asPipeline) in [(false, false), (false, true), (true, false), (true, true)] {
                    differences += try pair.run(scenario, number: number, resp3: resp3, asPipeline: asPipeline)
                    lines += scenario.split(separator: ";").count
                }
            }
            print("\(mode.rawValue): \(lines) commands compared, \(differences.count) differences")
            #expect(
                differences.isEmpty,
                "\(differences.count) differ:\n\(differences.map(\.description).joined(separator: "\n"))")
        }

        @Test(arguments: SideBySide.Mode.allCases, [1, 2])
        func `random commands from several connections answer as a real Redis does`(
            mode: SideBySide.Mode, workers: Int
        ) throws {
            let pair = try SideBySide(mode, workers: workers)
            let random = SeededGenerator()
            var clients: [(ours: RESPClient, theirs: RESPClient, commands: RandomCommands)] = []
            for index in 0..<3 {
                let commands = RandomCommands(SeededGenerator(seed: random.seed &+ UInt64(index)), client: index)
                clients.append((try pair.hearth.client(), try pair.oracle.client(), commands))
            }
            var order = random
            var history: [String] = []
            for round in 0..<400 {
                // One connection's pipeline at a time: what another one reads then must be what this one wrote.
                let index = Int.random(in: 0..<clients.count, using: &order)
                var batch: [[String]] = []
                for _ in 0..<Int.random(in: 1...16, using: &order) { batch.append(clients[index].commands.next()) }
                let bytes = batch.flatMap { RESPClient.encode($0) }
                try clients[index].ours.send(raw: bytes)
                try clients[index].theirs.send(raw: bytes)
                for command in batch {
                    let ours = try clients[index].ours.receiveRaw()?.bytes ?? []
                    let theirs = try clients[index].theirs.receiveRaw()?.bytes ?? []
                    let text = "\(round)/\(index): \(command.map { String($0.prefix(30)) }.joined(separator: " "))"
                    history.append("\(text) -> \(SideBySide.text(Array(theirs.prefix(60))))")
                    let agree = SideBySide.agree(command.map { Array($0.utf8) }, ours, theirs)
                    try #require(
                        agree,
                        """
                        \(random.replay); Redis \(SideBySide.text(theirs)), Hearth \(SideBySide.text(ours)) after
                        \(history.suffix(25).joined(separator: "\n"))
                        """)
                }
            }
            print("\(mode.rawValue), \(workers) worker(s): \(history.count) random commands compared, \(random.replay)")
        }

        @Test func `an inline request with quotes that has to wait for one before it arrives whole`() throws {
            let pair = try SideBySide(.redisAlone)
            for client in [try pair.hearth.client(), try pair.oracle.client()] {
                try client.send(
                    raw: Array(
                        "GET k\r\nSET k \"a \\x41 b\" \r\nGET k\r\nset k 'it''s'\r\nAPPEND k 'it\\'s'\r\nGET k\r\n".utf8
                    ))
                #expect(try client.receive() == .null)
                #expect(try client.receive() == .simple("OK"))
                #expect(try client.receive() == .bulk(Array("a A b".utf8)))
            }
        }
    }
}
