// SHA-256 and SHA-1 by known digests, and moments as text.

import Primitives
import Testing

@Suite struct DigestTests {
    private func digest(_ text: String) -> String {
        String(decoding: SHA256Digest(Array(text.utf8)).hexadecimal, as: UTF8.self)
    }

    @Test func `the digests are those of FIPS 180-4's examples`() {
        #expect(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            digest(
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
            ) == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")
        #expect(
            digest(String(repeating: "a", count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `every length around a block's end is padded rightly`() {
        // The digest of n bytes "a" for n from 0 to 130, chained.
        var chained = SHA256Digest([])
        for count in 0...130 {
            chained = SHA256Digest(chained.bytes + SHA256Digest([UInt8](repeating: 97, count: count)).bytes)
        }
        #expect(
            String(decoding: chained.hexadecimal, as: UTF8.self)
                == "3d297391b5a09ae14cf0129de08fca74b9eded244d9afdd1da7925ee15e98532")
    }

    /// `abc` is FIPS 180-4's example; the others are what `printf 'aaa…' | sha1sum` says.
    @Test(arguments: [
        (0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"), (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
        (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"), (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
        (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"), (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
        (119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"), (120, "f34c1488385346a55709ba056ddd08280dd4c6d6"),
        (1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
    ])
    func `SHA-1 is padded rightly at every length around a block's end`(count: Int, expected: String) {
        let digest = SHA1Digest([UInt8](repeating: 97, count: count))
        #expect(String(decoding: digest.hexadecimal, as: UTF8.self) == expected)
        #expect(SHA1Digest(stored: digest.bytes) == digest)
        #expect(digest.withBytes { Array($0) } == digest.bytes)
        #expect(
            String(decoding: SHA1Digest(Array("abc".utf8)).hexadecimal, as: UTF8.self)
                == "a9993e364706816aba3e25717850c26c9cd0d89d")
    }

    @Test func `digits are read back, and nothing else is`() {
        let digest = SHA256Digest(Array("x".utf8))
        #expect(SHA256Digest(hexadecimal: digest.hexadecimal) == digest)
        #expect(SHA256Digest(hexadecimal: digest.hexadecimal.dropLast()) == nil)
        #expect(SHA256Digest(hexadecimal: [UInt8](repeating: UInt8(ascii: "G"), count: 64)) == nil)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_164_800_123, "2024-02-29T00:00:00.123Z"),
        (1_767_225_599_001, "2025-12-31T23:59:59.001Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
    ])
    func `a moment is written in UTC`(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
    }
}
