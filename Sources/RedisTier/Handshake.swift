// What is said when a connection to Redis begins: who we are, which database, and whether this Redis can serve us.

internal import Primitives

/// The first commands of a connection and the judgement of their replies.
struct Handshake {
    let request: RequestEncoder
    private let steps: [Step]

    private enum Step { case hello, authenticate, select, name, clientID, server, cluster }

    /// `version` is the protocol that Redis is to speak: 2, or 3 by HELLO.
    init(_ configuration: RedisConfiguration, version: Int) {
        var request = RequestEncoder()
        var steps: [Step] = []
        let password = configuration.password.map { Array($0.utf8) }
        if version == 3 {
            let user = Array((configuration.username ?? "default").utf8)
            let words = password.map { [Array("AUTH".utf8), user, $0] } ?? []
            request.append([Array("HELLO".utf8), [UInt8(ascii: "3")]] + words)
            steps.append(.hello)
        } else if let password {
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
        request.append("CLIENT", Array("SETNAME".utf8), Array(configuration.clientName.utf8))
        request.append("CLIENT", Array("ID".utf8))
        request.append("INFO", Array("server".utf8))
        request.append("INFO", Array("cluster".utf8))
        self.request = request
        self.steps = steps + [.name, .clientID, .server, .cluster]
    }

    /// What Redis knows the connection by, where it tells; throws where Redis refuses us or is a cluster.
    func check(_ replies: [Reply]) throws(RedisFailure) -> RedisClient? {
        var clientID: Int64?
        var runID: [UInt8] = []
        for (step, reply) in zip(steps, replies) {
            switch (step, reply) {
            case (.hello, .error(let text)), (.authenticate, .error(let text)), (.select, .error(let text)):
                let detail = String(decoding: text, as: UTF8.self)
                guard !text.starts(with: "LOADING".utf8) else {
                    throw RedisFailure(.connectionLost, mayHaveBeenSent: false, detail: detail)
                }
                let remedy = if case .select = step { "database of redis.url" } else { "user and password of redis" }
                throw RedisFailure(
                    .misconfigured, mayHaveBeenSent: false, detail: "\(detail). Look at the \(remedy).")
            case (.name, .error(let text)) where text.starts(with: "NOAUTH".utf8):
                throw RedisFailure(
                    .misconfigured, mayHaveBeenSent: false,
                    detail:
                        "\(String(decoding: text, as: UTF8.self)) Set redis.password_file, or a password in redis.url.")
            case (.clientID, .integer(let id)): clientID = id
            case (.server, .string(let text)): runID = Self.runID(text)
            case (.cluster, .string(let text)) where Self.tellsOfCluster(text):
                throw RedisFailure(
                    .misconfigured, mayHaveBeenSent: false,
                    detail: "this Redis is a cluster, which Hearth does not support yet; use one that is not")
            default: break
            }
        }
        return clientID.map { RedisClient(id: $0, runID: runID) }
    }

    private static func runID(_ info: [UInt8]) -> [UInt8] {
        let lines = info.split { $0 == 10 || $0 == 13 }
        return lines.first { $0.starts(with: "run_id:".utf8) }.map { Array($0.dropFirst(7)) } ?? []
    }

    private static func tellsOfCluster(_ info: [UInt8]) -> Bool {
        String(decoding: info, as: UTF8.self).split(whereSeparator: \.isNewline).contains("cluster_enabled:1")
    }
}
