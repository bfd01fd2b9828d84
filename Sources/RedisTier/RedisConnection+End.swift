// Ending other connections in Redis, ahead of what is sent over this one.

internal import Primitives

extension RedisConnection {
    /// Has Redis end other connections before it carries out what is sent over this one from now on; each once.
    ///
    /// Passes over those of another Redis process, whose ids are somebody else's in this one, and does nothing without
    /// a connection. `completion` hears those that have ended, and nothing where Redis refuses or does not answer.
    public func end(
        _ others: [RedisClient], timeoutNanoseconds: Int64, completion: @escaping ([RedisClient]) -> Void
    ) {
        guard state == .ready, let reader, let client, !client.runID.isEmpty else { return }
        let named = others.filter { $0 != client && $0.runID == client.runID && endedOthers.insert($0).inserted }
        guard !named.isEmpty else { return }
        var request = RequestEncoder()
        for other in named {
            request.append("CLIENT", Array("KILL".utf8), Array("ID".utf8), Array(String(other.id).utf8))
        }
        let hears: ([Reply]) -> Void = { replies in
            if !replies.contains(where: { reader.understand($0).isError }) { completion(named) }
        }
        send(request, timeoutNanoseconds: timeoutNanoseconds, late: hears) { result in
            if case .success(let replies) = result { hears(replies) }
        }
    }
}
