// Arbitrary bytes as a configuration file: refused, or loaded; what loads, prints and loads back equal.
//
// -sanitize=fuzzer on the command line instruments every module; without it the fuzzer runs, and sees no coverage.

import Configuration
public import FuzzerDriver

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

@_cdecl("ConfigurationFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzOne) }

private func withoutSecrets(_ configuration: Configuration) -> Configuration {
    var bare = configuration
    bare.redisSettings.password = nil
    bare.server.password = nil
    return bare
}
