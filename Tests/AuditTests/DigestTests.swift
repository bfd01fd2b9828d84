// SHA-256 by NIST's vectors, and moments as text.

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
