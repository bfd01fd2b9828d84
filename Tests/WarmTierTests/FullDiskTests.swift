// A real disk that is full: a tmpfs of one mebibyte, where mounting is allowed.

#if canImport(Glibc)
    import Glibc
    import Primitives
    import SegmentLog
    import Testing
    import WarmTier

    @Suite struct `A full disk` {
        @Test
        func `a real file system that fills up degrades the tier, loses nothing, and is used again when it has room`()
            throws
        {
            try withTemporaryDirectory { directory in
                try DiskFileSystem().makeDirectory(directory)
                guard mount("tmpfs", directory, "tmpfs", 0, "size=1m") == 0 else {
                    print(
                        "skipped: mounting a tmpfs is not allowed here (errno \(errno)); the simulated disk covers it")
                    return
                }
                defer { umount2(directory, Int32(MNT_DETACH)) }
                let ballast = directory + "/ballast"
                let file = try DiskFileSystem().open(ballast, .createNew)
                let block = [UInt8](repeating: 1, count: 700 << 10)
                try block.withTyped { bytes throws(FileError) in
                    _ = try DiskFileSystem().write(file, from: bytes, at: 0)
                }
                try DiskFileSystem().close(file)

                let writer = try WarmTier.open(
                    WarmTierConfiguration(
                        directory: directory + "/warm", maxBytes: 900 << 10, sync: .always, whenFull: .refuse),
                    now: .at(1))
                var kept = 0
                let value = [UInt8](repeating: 7, count: 4000)
                while kept < 1000 {
                    do {
                        try writer.batch { writer throws(WarmError) in try writer.put("k\(kept)", value) }
                        kept += 1
                    } catch WarmError.log {
                        break
                    }
                }
                #expect((20..<100).contains(kept))
                guard case .degraded(let error) = writer.tier.statistics.state else {
                    Issue.record("not degraded")
                    return
                }
                #expect(error.code == .noSpace)
                for number in 0..<kept { #expect(writer.tier.lookup("k\(number)").bytes == value) }

                try DiskFileSystem().remove(ballast)
                writer.maintain(now: .at(1000))
                #expect(writer.tier.statistics.state == .healthy)
                try writer.batch(now: .at(1001)) { writer throws(WarmError) in try writer.put("more", value) }
                #expect(writer.tier.keyCount == kept + 1)
            }
        }
    }
#endif
