// What the admin plane may be told.

/// The address of the admin HTTP server, with the default of the `admin` key.
public struct AdminConfiguration: Sendable, Equatable {
    /// `127.0.0.1:7381`, `[::1]:7381`, or nil for no admin port.
    public var listen: String? = "127.0.0.1:7381"

    public init() {}
}
