// `hearth status` and `hearth top`: one look, and a look each second.

internal import Configuration
internal import Primitives

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension CommandLineTool {
    func status() -> Never {
        let words = words(switches: ["--json"])
        guard words.rest.isEmpty else { fail(.usage, "usage: hearth status [--json] [--KEY VALUE …]") }
        talk(words) { (client) throws(ControlError) in
            if words.switches.contains("--json") {
                guard case .string(let document) = try client.ask("HEARTH", "STATUS", "JSON") else {
                    throw ControlError(.software, "hearth: HEARTH STATUS JSON is answered with no document")
                }
                print(String(decoding: document, as: UTF8.self))
            } else {
                let observation = try Observation(&client, at: monotonicNanoseconds())
                for line in StatusScreen(interval: Interval(now: observation, earlier: nil)).lines { print(line) }
            }
        }
    }

    func top() -> Never {
        let words = words(options: ["--count"])
        let count = words.options["--count"].map { Int($0) ?? 0 }
        guard words.rest.isEmpty, count ?? 1 > 0 else { fail(.usage, "usage: hearth top [--count N] [--KEY VALUE …]") }
        let configuration = load(words.file, words.flags).configuration
        do throws(ControlError) {
            if Terminal.isStandardOutput {
                try watchLive(configuration, count: count ?? .max)
            } else {
                try watchPlainly(configuration, count: count ?? .max)
            }
            finish(.clean)
        } catch {
            fail(error.code, error.text)
        }
    }

    /// A screen a second; a Hearth that goes away is waited for, since its restart is worth seeing.
    private func watchLive(_ configuration: Configuration, count: Int) throws(ControlError) {
        var client = Optional(try ControlClient.connect(configuration))
        var earlier: Observation?
        let terminal = Terminal()
        for shown in 1...count {
            do throws(ControlError) {
                if client == nil { client = try ControlClient.connect(configuration) }
                let now = try Observation(&client!, at: monotonicNanoseconds())  // made in the line above
                let lines = StatusScreen(interval: Interval(now: now, earlier: earlier)).lines
                terminal.show(lines + ["", "q or Ctrl-C leaves"])
                earlier = now
            } catch {
                client = nil
                earlier = nil
                terminal.show([error.text, "", "Trying again each second; q or Ctrl-C leaves"])
            }
            guard shown < count, terminal.wait(milliseconds: 1000) else { return }
        }
    }

    /// The same screen as text, an empty line after each, for files and pipes.
    private func watchPlainly(_ configuration: Configuration, count: Int) throws(ControlError) {
        Terminal.watchSignals()
        var client = try ControlClient.connect(configuration)
        var earlier: Observation?
        for shown in 1...count {
            let now = try Observation(&client, at: monotonicNanoseconds())
            for line in StatusScreen(interval: Interval(now: now, earlier: earlier)).lines { print(line) }
            print("")
            guard fflush(nil) == 0 else { return }
            earlier = now
            guard shown < count, Terminal.pause(milliseconds: 1000) else { return }
        }
    }
}
