// Damage to a file, as a failing disk does it.

internal import TestSupport

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Overwrites a few bytes of a file.
func overwrite(_ path: String, at offset: Int) throws {
    let descriptor = open(path, O_WRONLY)
    guard descriptor >= 0 else { throw TestError("open \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let noise: [UInt8] = [0xDE, 0xAD, 0xBE, 0xEF]
    guard pwrite(descriptor, noise, noise.count, off_t(offset)) == noise.count else {
        throw TestError("write \(path): \(String(cString: strerror(errno)))")
    }
}
