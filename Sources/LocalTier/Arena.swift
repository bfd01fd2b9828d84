// One mapping of anonymous, shareable memory, and its descriptor.

import Primitives

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#else
    private import Darwin
#endif

#if os(Linux)
    /// The C function is memfd_create; glibc declares it under _GNU_SOURCE alone, hence not in Swift's module.
    ///
    /// Declared by symbol, since a C module for one function would be a room of its own. Its two arguments and
    /// its result are passed alike by both calling conventions on x86-64 and arm64.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    @_silgen_name("memfd_create")
    private func memfd_create(_ name: UnsafePointer<CChar>, _ flags: UInt32) -> Int32

    /// Constants of linux/memfd.h and linux/fcntl.h that hide behind the same macro.
    private enum Memfd {
        static let closeOnExec: UInt32 = 1  // MFD_CLOEXEC
        static let allowSealing: UInt32 = 2  // MFD_ALLOW_SEALING
        static let addSeals: Int32 = 1033  // F_ADD_SEALS
        static let sealSeal: Int32 = 1  // F_SEAL_SEAL
        static let sealShrink: Int32 = 2  // F_SEAL_SHRINK
        static let sealGrow: Int32 = 4  // F_SEAL_GROW
    }
#endif

/// Owns the arena's memory and descriptor; both are released with it.
///
/// The memory is a memfd (on macOS an unlinked file), so that it can later be handed to another process, which may map
/// it read-only. On Linux its size is sealed: nobody can shrink it under a reader.
final class Arena: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let layout: ArenaLayout
    let descriptor: Int32

    init(_ layout: ArenaLayout) throws(LocalTierError) {
        let descriptor = try Self.makeDescriptor(bytes: layout.arenaBytes)
        let base = mmap(nil, layout.arenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let base, base != MAP_FAILED else {
            let cause = errno
            close(descriptor)
            throw .arena(call: "mmap", errno: cause)
        }
        self.base = base
        self.layout = layout
        self.descriptor = descriptor
        writeHeader()
    }

    deinit {
        munmap(base, layout.arenaBytes)
        close(descriptor)
    }

    func shardBase(_ index: Int) -> UnsafeMutableRawPointer {
        base + ArenaHeader.bytes + index * layout.shardStride
    }

    private func writeHeader() {
        base.storeBytes(
            of: ArenaHeader(
                magic: ArenaHeader.magicValue,
                layoutVersion: ArenaHeader.currentLayoutVersion,
                shardCount: UInt32(layout.shardCount),
                arenaBytes: UInt64(layout.arenaBytes),
                hashSeed: processSeed,
                shardsOffset: UInt64(ArenaHeader.bytes),
                shardStride: UInt64(layout.shardStride),
                bucketsOffset: UInt64(layout.bucketsOffset),
                nextOffset: UInt64(layout.nextOffset),
                blocksOffset: UInt64(layout.blocksOffset),
                bucketsPerShard: UInt32(layout.bucketCount),
                blocksPerShard: UInt32(layout.blockCount)),
            as: ArenaHeader.self)
    }

    private static func makeDescriptor(bytes: Int) throws(LocalTierError) -> Int32 {
        #if os(Linux)
            let descriptor = memfd_create("hearth-local", Memfd.closeOnExec | Memfd.allowSealing)
            guard descriptor >= 0 else { throw .arena(call: "memfd_create", errno: errno) }
        #else
            // shm_open is variadic, hence not callable from Swift; an unlinked file is the same to whoever maps it.
            var template = Array("/tmp/hearth-local.XXXXXX".utf8CString)
            let descriptor = mkstemp(&template)
            guard descriptor >= 0 else { throw .arena(call: "mkstemp", errno: errno) }
            unlink(template)
        #endif
        guard ftruncate(descriptor, off_t(bytes)) == 0 else {
            let cause = errno
            close(descriptor)
            throw .arena(call: "ftruncate", errno: cause)
        }
        #if os(Linux)
            // Best effort: an old kernel without seals still gives a working arena.
            _ = fcntl(descriptor, Memfd.addSeals, Memfd.sealShrink | Memfd.sealGrow | Memfd.sealSeal)
        #endif
        return descriptor
    }
}
