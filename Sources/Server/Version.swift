// The versions that Hearth tells of itself.

public enum Version {
    /// Hearth's own.
    public static let hearth = "0.1.0"
    /// The Redis whose commands, replies and error texts Hearth follows.
    public static let redisCompatible = "7.0.15"
}
