// The sample and the documentation know every key, and the sample says only what is so.

import Configuration
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of the repository, found from this one.
private func document(_ path: String) throws -> String {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let file = try #require(fopen("\(root)/\(path)", "r"), "\(path) can't be opened")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

@Suite struct DocumentTests {
    @Test func `the sample loads to exactly the defaults, without a warning`() throws {
        let loaded = try Configuration.load(file: "hearth.sample.yaml", text: try document("hearth.sample.yaml"))
        #expect(loaded.configuration == Configuration())
        #expect(loaded.warnings.isEmpty)
    }

    @Test func `every key is in the sample, under its section`() throws {
        let lines = try document("hearth.sample.yaml").split(separator: "\n").map(String.init)
        func has(_ key: String, indent: String, after start: Int) -> Bool {
            lines[start...].contains { line in
                let bare = line.hasPrefix("# ") ? String(line.dropFirst(2)) : line
                return bare.hasPrefix("\(indent)\(key):") || bare.hasPrefix("\(indent)# \(key):")
            }
        }
        for key in Configuration.keys.map(\.key) {
            let parts = key.split(separator: ".").map(String.init)
            if parts.count == 1 {
                #expect(has(key, indent: "", after: 0), "\(key)")
            } else {
                let start = try #require(lines.firstIndex { $0 == "\(parts[0]):" || $0 == "# \(parts[0]):" }, "\(key)")
                #expect(has(parts[1], indent: "  ", after: start), "\(key)")
            }
        }
        let start = try #require(lines.firstIndex(of: "policies:"))
        for key in Configuration.policyKeys {
            let parts = key.split(separator: ".").map(String.init)
            if parts.count == 1 {
                #expect(has(key, indent: "    ", after: start), "policies \(key)")
            } else {
                let start = try #require(lines[start...].firstIndex(of: "    \(parts[0]):"), "policies \(key)")
                #expect(has(parts[1], indent: "      ", after: start), "policies \(key)")
            }
        }
    }

    @Test func `every key is in the documentation, with its default and what a reload does`() throws {
        let lines = try document("docs/configuration.md").split(separator: "\n").map(String.init)
        for key in Configuration.keys {
            let row = try #require(lines.first { $0.hasPrefix("| `\(key.key)` |") }, "\(key.key) has no row")
            let standard = String((key.standard ?? "null").filter { $0 != "\"" })
            #expect(row.contains("| `\(standard)` |"), "\(key.key): the default is \(standard)")
            #expect(row.hasSuffix(key.appliesOnReload ? "| yes |" : "| no |"), "\(key.key)")
        }
        for key in Configuration.policyKeys {
            #expect(lines.contains { $0.hasPrefix("| `\(key)` |") }, "\(key) has no row")
        }
    }
}
