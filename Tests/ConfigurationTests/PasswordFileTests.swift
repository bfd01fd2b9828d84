// Passwords from files, as secrets are mounted.

import Configuration
import TestSupport
import Testing

@Suite struct PasswordFileTests {
    /// Reads `content` as a password file; the file is gone afterwards.
    private func read(_ content: String) throws -> [UInt8] {
        let directory = try TemporaryDirectory()
        return try withExtendedLifetime(directory) {
            try Configuration.readPassword(file: directory.write("password", content), of: "redis.password_file")
        }
    }

    @Test(arguments: [("secret", "secret"), ("secret\n", "secret"), ("secret\r\n", "secret"), (" a b \n\n", " a b \n")])
    func `the content less one line break is the password`(content: String, password: String) throws {
        #expect(try read(content) == Array(password.utf8))
    }

    @Test func `1024 bytes are the most`() throws {
        #expect(try read(String(repeating: "x", count: 1024) + "\n").count == 1024)
        #expect { try read(String(repeating: "x", count: 1025)) } throws: {
            "\($0)".hasSuffix("has more than 1024 bytes")
        }
    }

    @Test(arguments: ["", "\n"]) func `an empty password is refused`(content: String) {
        #expect { try read(content) } throws: { "\($0)".hasSuffix("is empty") }
    }

    @Test func `a file that is not there is refused with its name`() {
        #expect { try Configuration.readPassword(file: "/nowhere/p", of: "redis.password_file") } throws: {
            "\($0)" == "redis.password_file: can't open the password file /nowhere/p: No such file or directory"
        }
    }
}
