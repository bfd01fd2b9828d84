// Damage on the disk that a start finds: it is told in the log, and what is beside it is kept.

import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension RealProcesses {
    @Suite struct Damage {
        /// Turns a bit in the one file of a directory that holds these bytes.
        private func damage(_ directory: String, _ bytes: String) throws {
            guard let listing = opendir(directory) else { throw TestError("can't list \(directory)") }
            defer { closedir(listing) }
            while let entry = readdir(listing) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { name in
                    String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.hasSuffix(".segment"), let file = fopen("\(directory)/\(name)", "r+") else { continue }
                defer { fclose(file) }
                var content = [UInt8](repeating: 0, count: 4 << 20)
                content.removeLast(content.count - fread(&content, 1, content.count, file))
                guard let place = content.firstRange(of: Array(bytes.utf8))?.lowerBound else { continue }
                fseek(file, place, SEEK_SET)
                fputc(Int32(content[place] ^ 1), file)
                return
            }
            throw TestError("no segment of \(directory) holds \(bytes.prefix(20))")
        }

        @Test func `a record of the warm tier that is damaged is told of, and those beside it are there`() throws {
            let hearth = try HearthProcess(warm: "compress_min: off")
            let c = try hearth.client()
            for key in ["a", "b", "c"] {
                #expect(try c.call("SET", key, String(repeating: key, count: 300)).text == "OK")
            }
            hearth.process.end()
            try damage(hearth.directory.file("warm"), String(repeating: "b", count: 300))
            try hearth.restart()
            #expect(hearth.log.contains("\"event\":\"warm_damage_skipped\""), "\(hearth.log)")
            let again = try hearth.client()
            #expect(try again.call("MGET", "a", "c").items.map(\.text.utf8.count) == [300, 300])
            #expect(try again.call("GET", "b") == .null)
        }

        @Test func `a damaged entry of the journal is told of, its file stays, and others are replayed`() throws {
            let redis = try RedisServer()
            let hearth = try HearthProcess(redis: redis.url, redisOptions: "timeout: 500ms, soft_timeout: 100ms")
            try hearth.waitUntilClosed()
            redis.kill()
            let c = try hearth.client()
            for key in ["a", "b", "c"] {
                #expect(try c.call("SET", key, String(repeating: key, count: 300)).text == "OK")
            }
            hearth.process.end()
            try damage(hearth.directory.file("journal"), String(repeating: "b", count: 300))
            try hearth.restart()
            #expect(hearth.log.contains("\"event\":\"journal_damage\""), "\(hearth.log)")
            #expect(hearth.log.contains("\"event\":\"journal_damaged_file_kept\""), "\(hearth.log)")
            try redis.restart()
            let direct = try redis.client()
            try eventually("the others are in Redis") {
                try direct.call("MGET", "a", "c").items.allSatisfy { $0.text.utf8.count == 300 }
            }
            #expect(try direct.call("EXISTS", "b").integer == 0)
        }

        @Test func `hearth metrics prints what the process has counted`() throws {
            let hearth = try HearthProcess()
            let c = try hearth.client()
            #expect(try c.call("SET", "k", "v").text == "OK")
            let (code, output) = try ChildProcess.run(
                try built("hearth"), ["metrics", "--config", hearth.configurationPath], in: hearth.directory)
            #expect(code == 0)
            #expect(output.contains("# TYPE hearth_") && output.hasSuffix("\n"), "\(output.prefix(400))")
            let (wrong, _) = try ChildProcess.run(
                try built("hearth"), ["metrics", "more", "--config", hearth.configurationPath], in: hearth.directory)
            #expect(wrong == 64)
        }
    }
}
