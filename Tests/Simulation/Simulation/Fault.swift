// What goes wrong in a run, by name: each is counted where it was injected.

/// Something that goes wrong, or the end of all that does.
public enum Fault: String, CaseIterable, Sendable {
    case heal

    // Redis, and the network to it.
    case hang = "Redis hangs"
    case refuse = "Redis refuses connections"
    case slow = "Redis is slow"
    case loading = "Redis loads its data"
    case readOnly = "Redis is a replica"
    case outOfMemory = "Redis is out of memory"
    case misconfigured = "Redis can't save"
    case cutAll = "all connections are cut"
    case cutBefore = "a request is lost"
    case loseReply = "a reply is lost"
    case cutWithin = "half a reply comes"
    case garbage = "bytes that are no reply"
    case hold = "old connections are not read"
    case takesNoBytes = "the kernel takes no bytes"
    case forgetScripts = "Redis forgets scripts"
    case failOver = "a failover loses writes"
    case loseAll = "Redis comes back empty"
    case expireBetween = "a key ends between two commands"

    // The disk of one sidecar.
    case diskWrite = "disk: writes fail"
    case diskSync = "disk: synchronisations fail"
    case diskSyncDirectory = "disk: synchronisations of directories fail"
    case diskRead = "disk: reads fail"
    case diskOpen = "disk: files can't be opened"
    case diskRemove = "disk: files can't be removed"
    case diskTruncate = "disk: files can't be cut"
    case diskFull = "disk: full"
    case diskReadOnly = "disk: read-only"
    case diskShort = "disk: transfers are short"
    case diskSlow = "disk: slow"

    // One sidecar's process.
    case kill = "a sidecar is killed"
    case powerCut = "a sidecar's power is cut"
    case forceOpen = "the breaker is forced open"
    case evict = "local memory forgets a key"

    static let ofRedis: [Fault] = [
        .hang, .refuse, .slow, .loading, .readOnly, .outOfMemory, .misconfigured, .cutAll, .cutBefore, .loseReply,
        .cutWithin, .garbage, .hold, .hold, .takesNoBytes, .forgetScripts, .failOver, .loseAll,
        .expireBetween,
    ]
    static let ofDisk: [Fault] = [
        .diskWrite, .diskSync, .diskSyncDirectory, .diskRead, .diskOpen, .diskRemove, .diskTruncate, .diskFull,
        .diskReadOnly, .diskShort, .diskSlow,
    ]
    static let ofProcess: [Fault] = [.kill, .powerCut, .forceOpen, .evict]
}
