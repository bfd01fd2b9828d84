// Access to an array's bytes that keeps the type of what is thrown inside.

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` that keeps the type of what is thrown.
    public func withTyped<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        var failed: Failure?
        withUnsafeBytes { bytes in
            do throws(Failure) {
                try body(bytes)
            } catch {
                failed = error
            }
        }
        if let failed { throw failed }
    }
}
