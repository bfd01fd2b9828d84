// What is said when a connection to Redis begins: who we are, which database, and whether this Redis can serve us.

internal import Primitives

/// The first commands of a connection and the judgement of their replies.
struct Handshake {
    let request: RequestEncoder
    private let steps: [Step]

    private enum Step { case authenticate, select, name, clientID, info }

    init(_ configuration: RedisConfiguration) {
        var request = RequestEncoder()
        var steps: [Step] = []
        if let password = configuration.password.map({ Array($0.utf8) }) {
            if let username = configuration.username {
                request.append("AUTH", Array(username.utf8), password)
            } else {
                request.append("AUTH", password)
            }
            steps.append(.authenticate)
        }
        if configuration.database != 0 {
            request.append("SELECT", Array(String(configuration.database).utf8))
            steps.append(.select)
        }
        request.append("CLIENT", Array("SETNAME".utf8), Array("hearth".utf8))
        request.append("CLIENT", Array("ID".utf8))
        request.append("INFO", Array("cluster".utf8))
        self.request = request
        self.steps = steps + [.name, .clientID, .info]
    }

    /// The connection's id in Redis, where Redis tells it; throws where Redis refuses us or is a cluster.
    func check(_ replies: [Reply]) throws(RedisFailure) -> Int64? {
        var clientID: Int64?
        for (step, reply) in zip(steps, replies) {
            switch (step, reply) {
            case (.authenticate, .error(let text)), (.select, .error(let text)):
                let cause: RedisFailure.Cause = text.starts(with: "LOADING".utf8) ? .connectionLost : .misconfigured
                throw RedisFailure(cause, mayHaveBeenSent: false, detail: String(decoding: text, as: UTF8.self))
            case (.name, .error(let text)) where text.starts(with: "NOAUTH".utf8):
                throw RedisFailure(
                    .misconfigured, mayHaveBeenSent: false,
                    detail:
                        "\(String(decoding: text, as: UTF8.self)) Set redis.password_file, or a password in redis.url.")
            case (.clientID, .integer(let id)): clientID = id
            case (.info, .string(let text)) where Self.tellsOfCluster(text):
                throw RedisFailure(
                    .misconfigured, mayHaveBeenSent: false,
                    detail: "this Redis is a cluster, which Hearth does not support yet; use one that is not")
            default: break
            }
        }
        return clientID
    }

    private static func tellsOfCluster(_ info: [UInt8]) -> Bool {
        String(decoding: info, as: UTF8.self).split(whereSeparator: \.isNewline).contains("cluster_enabled:1")
    }
}
