// Arbitrary bytes as a configuration file: refused, or loaded; what loads, prints and loads back equal.
//
//     HEARTH_FUZZ=1 swift build --scratch-path .build-fuzz -Xswiftc -sanitize=fuzzer --product ConfigurationFuzzer
//     .build-fuzz/debug/ConfigurationFuzzer -max_total_time=60 -max_len=4096
//
// -sanitize=fuzzer on the command line instruments every module; without it the fuzzer runs, and sees no coverage.

import Configuration

/// One input; 0 is what libFuzzer expects. A trap is a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let configuration: Configuration
    do throws(ConfigurationErrors) {
        configuration = try Configuration.load(text: bytes).configuration
    } catch {
        precondition(!error.problems.isEmpty, "BUG: refused without a reason")
        _ = error.description
        return 0
    }
    let printed = configuration.printed()
    do throws(ConfigurationErrors) {
        let again = try Configuration.load(text: printed).configuration
        precondition(withoutSecrets(again) == withoutSecrets(configuration), "BUG: loads back differently:\n\(printed)")
    } catch {
        preconditionFailure("BUG: what was printed is refused: \(error)\n\(printed)")
    }
    return 0
}

private typealias Target = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

/// libFuzzer's own loop; its header is C++.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ target: Target
) -> CInt

/// Where the package manager lets an executable of this name begin, in the place of libFuzzer's own `main`.
@_cdecl("ConfigurationFuzzer_main")
public func begin(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments, fuzzOne)
}

private func withoutSecrets(_ configuration: Configuration) -> Configuration {
    var bare = configuration
    bare.redisSettings.password = nil
    bare.server.password = nil
    return bare
}
