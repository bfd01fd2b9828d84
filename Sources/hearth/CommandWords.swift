// The words that this process was started with, also where Swift can't find them.
//
// Swift looks for them on the stack, behind the environment. A library that is loaded ahead of us (LD_PRELOAD: a clock
// that can be set, a tracing agent, an allocator) may set a variable before main begins; the environment then lies
// elsewhere, and `CommandLine.arguments` is empty. The kernel still knows.

#if canImport(Glibc)
    internal import Glibc
#endif

enum CommandWords {
    /// The words behind the program's name.
    static var all: [String] { Array((CommandLine.arguments.isEmpty ? known : CommandLine.arguments).dropFirst()) }

    #if os(Linux)
        /// By the kernel's account: each word ends with a zero byte.
        private static var known: [String] {
            let descriptor = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return [] }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                bytes += buffer[..<count]
            }
            return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast()
                .map { String(decoding: $0, as: UTF8.self) }
        }
    #else
        private static var known: [String] { [] }
    #endif
}
