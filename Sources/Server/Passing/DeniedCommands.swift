// Commands that would harm others who use the same Redis, or that can't be right through a connection that is shared.
//
// This is a rail, not a wall: a script can call FLUSHALL. Who must be kept from it needs an ACL user in redis.url.

enum DeniedCommands {
    /// What each would do. A name without a subcommand stands for all of its subcommands.
    static let reasons: [String: String] = [
        "SHUTDOWN": "would stop Redis for everybody",
        "DEBUG": "can crash Redis, stop it or lose its data",
        "CONFIG SET": "would change Redis for everybody",
        "CONFIG REWRITE": "would overwrite Redis's configuration file",
        "CONFIG RESETSTAT": "would reset the figures that others watch",
        "FLUSHALL": "would delete every key of every database",
        "SWAPDB": "would exchange the data of other applications' databases",
        "REPLICAOF": "would replace Redis's data with another server's",
        "SLAVEOF": "would replace Redis's data with another server's",
        "FAILOVER": "would make another server the one that takes writes",
        "CLUSTER": "would change the cluster for everybody",
        "SAVE": "would stop Redis while it writes its data to disk",
        "BGSAVE": "would make Redis fork and write its data to disk",
        "BGREWRITEAOF": "would make Redis fork and rewrite its file",
        "MODULE LOAD": "would run foreign code in Redis",
        "MODULE LOADEX": "would run foreign code in Redis",
        "MODULE UNLOAD": "would take commands away from everybody",
        "ACL SETUSER": "would change who may do what in Redis",
        "ACL DELUSER": "would change who may do what in Redis",
        "ACL LOAD": "would change who may do what in Redis",
        "ACL SAVE": "would overwrite Redis's file of users",
        "CLIENT KILL": "would end connections of others, and Hearth's own",
        "CLIENT PAUSE": "would make Redis deaf to everybody",
        "CLIENT UNPAUSE": "would undo another's CLIENT PAUSE",
        "SCRIPT FLUSH": "would take scripts away from everybody",
        "SCRIPT KILL": "would end another's script",
        "SCRIPT DEBUG": "would stop Redis while a script is debugged",
        "FUNCTION FLUSH": "would take functions away from everybody",
        "FUNCTION KILL": "would end another's function",
        "FUNCTION RESTORE": "can replace everybody's functions",
        "MIGRATE": "would move keys to another server, and stop Redis meanwhile",
        "LATENCY RESET": "would reset the figures that others watch",
        "SLOWLOG RESET": "would reset the figures that others watch",
        "PFDEBUG": "can damage the key that it is given",
        "PFSELFTEST": "would stop Redis while it tests itself",
    ]

    /// What no configuration can allow, and what to do instead.
    static let impossible: [String: String] = [
        "SYNC": "would turn Hearth's connection into a replica's; connect to Redis itself",
        "PSYNC": "would turn Hearth's connection into a replica's; connect to Redis itself",
        "REPLCONF": "is a replica's; connect to Redis itself",
        "CLIENT TRACKING":
            "would track what Hearth reads, not this client; use max_staleness, or connect to Redis itself",
        "CLIENT CACHING": "belongs to CLIENT TRACKING, which can't pass through Hearth",
        "CLIENT TRACKINGINFO": "belongs to CLIENT TRACKING, which can't pass through Hearth",
        "CLIENT GETREDIR": "belongs to CLIENT TRACKING, which can't pass through Hearth",
        "CLIENT REPLY": "would silence the connection that many clients share; read the replies and drop them",
        "CLIENT UNBLOCK": "takes the id of a connection to Redis, which no client here has; close the blocked client",
    ]

    /// Why a command may not be passed on; nil where it may.
    static func refusal(_ words: [[UInt8]], allowed: [String]) -> String? {
        guard let first = words.first else { return nil }
        let name = first.lowercasedText.uppercased()
        let full = words.count > 1 ? "\(name) \(words[1].lowercasedText.uppercased())" : name
        if let reason = impossible[full] ?? impossible[name] {
            return "ERR \(impossible[full] == nil ? name : full) can't pass through Hearth: it \(reason)"
        }
        let denied = reasons[full] == nil ? name : full
        guard let reason = reasons[denied], !allowed.contains("*"), !allowed.contains(name), !allowed.contains(full)
        else { return nil }
        return "DENIED \(denied) \(reason); allow it with commands.allow: [\"\(denied)\"]"
    }
}
