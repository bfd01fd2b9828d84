// swift-tools-version: 6.1
import PackageDescription

// Modules depend downwards only (ARCHITECTURE.md draws them); a C library is imported by exactly one module.
// The dynamic exclusivity checks cost a tenth of a local hit's instructions. They stay on in debug builds, which all
// tests and sanitizers run.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

// An idle process may have 15 MiB. Relocations as the default linker writes them take 0.8 of those, since each is read
// at the start; RELR (https://maskray.me/blog/2021-10-31-relative-relocations-and-relr) has them in 8 KiB. It needs
// lld, which comes with the toolchain, and glibc 2.36 at run time. Nobody links to an executable: what
// --static-swift-stdlib would have it export is left out, and with it what is only exported.
let small: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker", "--no-export-dynamic"],
        .when(platforms: [.linux], configuration: .release))
]

// What tests run millions of times, on simulated disks under every fault, is optimised in debug builds too: unoptimised
// it takes most of a test run. Assertions and the checks of exclusivity stay.
let often = strict + [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]
// With HEARTH_OPTIMISED all modules are, and tests are not: sanitizers need it, under which unoptimised code takes the
// time of all else, and to optimise the tests too made their builds a quarter longer.
let usual = Context.environment["HEARTH_OPTIMISED"] == nil ? strict : often

func room(
    _ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil, embedded: [String] = [],
    runs settings: [SwiftSetting] = usual
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path, resources: embedded.map { .embedInCode($0) },
        swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
}

let package = Package(
    name: "hearth",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "hearth", targets: ["hearth"]),
        .executable(name: "hearth-bench", targets: ["hearth-bench"]),
        .executable(name: "hearth-traces", targets: ["hearth-traces"]),
        .executable(name: "hearth-micro", targets: ["hearth-micro"]),
        .executable(name: "hearth-simulate", targets: ["hearth-simulate"]),
        .executable(name: "bare-loop", targets: ["bare-loop"]),
        .library(name: "hearth-counts", type: .dynamic, targets: ["hearth-counts"]),
    ],
    targets: [
        .systemLibrary(name: "CHiredis"),
        .systemLibrary(name: "CUV"),
        .systemLibrary(name: "CYAML"),
        .systemLibrary(name: "CMicrohttpd"),
        .systemLibrary(name: "CXXHash"),
        .systemLibrary(name: "CZstd"),
        .systemLibrary(name: "CLongDouble"),
        .systemLibrary(name: "CPrefetch"),

        room("Primitives", ["CXXHash"], runs: often),
        room("Metrics"),
        room("RESP"),
        room("EventLoop", ["CUV", "Primitives"]),
        room("LocalTier", ["CPrefetch", "Primitives"], runs: often),
        room("RedisTier", ["CHiredis", "EventLoop", "Resilience", "Primitives"]),
        room("SegmentLog", ["Primitives"], runs: often),
        room("WarmTier", ["CZstd", "SegmentLog", "Primitives"], runs: often),
        room("Journal", ["SegmentLog", "Primitives"], runs: often),
        room("Audit", ["SegmentLog", "Metrics", "Primitives"]),
        room("Resilience"),
        room("State", ["CLongDouble", "Primitives"]),
        room(
            "Tiers",
            [
                "LocalTier", "RedisTier", "WarmTier", "Journal", "SegmentLog", "Resilience", "State", "Metrics",
                "Primitives",
            ]),
        room(
            "Server",
            [
                "RESP", "Tiers", "LocalTier", "RedisTier", "WarmTier", "Journal", "SegmentLog", "Resilience", "State",
                "EventLoop", "Audit",
                "Metrics", "Admin", "Primitives",
            ]),
        room(
            "Admin", ["CMicrohttpd", "Metrics", "Primitives"],
            embedded: ["Page/page.html", "Page/page.css", "Page/page.js", "Page/charts.js"]),
        room("Configuration", ["CYAML", "Server", "State", "Tiers", "RedisTier", "Admin"]),
        .executableTarget(
            name: "hearth",
            dependencies: [
                "Server", "Admin", "Configuration", "EventLoop", "Tiers", "LocalTier", "RedisTier", "WarmTier",
                "Journal", "SegmentLog", "Audit", "Resilience", "Metrics", "Primitives",
            ], swiftSettings: strict, linkerSettings: small),

        room("BenchmarkTool", path: "Benchmarks/Tool/BenchmarkTool"),
        room(
            "LoadGenerator", ["BenchmarkTool", "EventLoop", "Metrics", "RESP"], path: "Benchmarks/Load/LoadGenerator"),
        .executableTarget(
            name: "hearth-bench", dependencies: ["LoadGenerator", "BenchmarkTool"],
            path: "Benchmarks/Load/hearth-bench", swiftSettings: strict),
        room(
            "TraceStudy", ["BenchmarkTool", "LocalTier", "LoadGenerator", "Metrics", "Primitives"],
            path: "Benchmarks/Traces/TraceStudy"),
        .executableTarget(
            name: "hearth-traces", dependencies: ["TraceStudy", "BenchmarkTool", "LocalTier"],
            path: "Benchmarks/Traces/hearth-traces", swiftSettings: strict),
        room(
            "MicroBenchmarks",
            [
                "BenchmarkTool", "LoadGenerator", "RESP", "LocalTier", "SegmentLog", "WarmTier", "Journal",
                "Primitives",
            ], path: "Benchmarks/Micro/MicroBenchmarks"),
        .executableTarget(
            name: "hearth-micro", dependencies: ["MicroBenchmarks", "BenchmarkTool"],
            path: "Benchmarks/Micro/hearth-micro", swiftSettings: strict),
        .executableTarget(
            name: "bare-loop", path: "Benchmarks/BareLoop", linkerSettings: [.linkedLibrary("uv")]),
        .target(name: "hearth-counts", path: "Benchmarks/Counts", linkerSettings: [.linkedLibrary("dl")]),

        room(
            "TestSupport", ["Journal", "LocalTier", "Primitives", "RedisTier", "RESP", "SegmentLog", "State", "Tiers"],
            runs: often),
        room(
            "Simulation",
            [
                "Journal", "LocalTier", "Primitives", "RedisTier", "Resilience", "State", "TestSupport", "Tiers",
                "WarmTier",
            ], path: "Tests/Simulation/Simulation"),
        .executableTarget(
            name: "hearth-simulate", dependencies: ["Simulation", "BenchmarkTool", "Primitives"],
            path: "Tests/Simulation/hearth-simulate", swiftSettings: strict),
        tests("SimulationTests", ["Simulation", "Primitives"]),
        tests("LocalTierTests", ["LocalTier", "Primitives"]),
        tests("SegmentLogTests", ["SegmentLog", "Primitives"]),
        tests("WarmTierTests", ["WarmTier", "SegmentLog", "Primitives"]),
        tests("JournalTests", ["Journal", "SegmentLog", "Primitives"]),
        tests("AuditTests", ["Audit", "SegmentLog", "Primitives"]),
        tests("ResilienceTests", ["Resilience"]),
        tests("MetricsTests", ["Metrics"]),
        tests("AdminTests", ["Admin", "Metrics", "Primitives"]),
        tests("RESPTests", ["RESP"]),
        tests("EventLoopTests", ["EventLoop", "Primitives"]),
        tests("RedisTierTests", ["RedisTier", "EventLoop", "Primitives"]),
        tests("StateTests", ["State", "Primitives"]),
        tests(
            "TiersTests",
            [
                "Tiers", "Journal", "WarmTier", "SegmentLog", "LocalTier", "RedisTier", "Resilience", "State",
                "Primitives",
            ]),
        tests("ConfigurationTests", ["Configuration", "Server", "State", "Tiers", "RedisTier"]),
        tests("ServerTests", ["Server", "RESP", "RedisTier", "State", "Tiers", "Primitives"]),
        tests("CommandLineTests", ["hearth"]),
        tests("LoadGeneratorTests", ["LoadGenerator", "BenchmarkTool", "Metrics", "RESP"]),
        tests("TraceStudyTests", ["TraceStudy", "LoadGenerator", "BenchmarkTool", "LocalTier"]),
        tests("MicroBenchmarksTests", ["MicroBenchmarks", "BenchmarkTool"]),
        tests("IntegrationTests", []),
    ],
    swiftLanguageModes: [.v6]
)

// A run that needs a few targets builds no others: HEARTH_TARGETS=TiersTests,JournalTests swift test.
if let wanted = Context.environment["HEARTH_TARGETS"]?.split(separator: ",").map(String.init) {
    var kept: Set<String> = []
    var open = wanted
    while let name = open.popLast() {
        guard kept.insert(name).inserted else { continue }
        guard let target = package.targets.first(where: { $0.name == name }) else { fatalError("No target \(name)") }
        for case .byNameItem(let name, _) in target.dependencies { open.append(name) }
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products.removeAll { !kept.contains($0.name) }
}

// Fuzzers are linked with libFuzzer and built only when asked for: HEARTH_FUZZ=1 swift build --product ConfigurationFuzzer.
if Context.environment["HEARTH_FUZZ"] != nil {
    let fuzzers: [(name: String, modules: [Target.Dependency])] = [
        ("ConfigurationFuzzer", ["Configuration"]),
        ("RequestFuzzer", ["RESP", "RedisTier", "Primitives"]), ("ReplyFuzzer", ["RESP", "RedisTier", "Primitives"]),
        ("RecordFuzzer", ["State", "Tiers", "Primitives"]),
        ("AuditFuzzer", ["Audit", "SegmentLog", "TestSupport", "Primitives"]),
        ("SchemaFuzzer", ["State"]),
        ("JournalFuzzer", ["Journal", "SegmentLog", "TestSupport", "Primitives"]),
        ("SegmentFuzzer", ["WarmTier", "SegmentLog", "TestSupport", "Primitives"]),
    ]
    package.targets.append(
        .target(name: "FuzzerDriver", path: "Tests/Fuzzers/FuzzerDriver", swiftSettings: strict))
    for fuzzer in fuzzers {
        package.targets.append(
            .executableTarget(
                name: fuzzer.name, dependencies: fuzzer.modules + ["FuzzerDriver"],
                path: "Tests/Fuzzers/\(fuzzer.name)", exclude: ["corpus", "words"],
                swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
                linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
    }
}
