// Rate limits whose judge is Redis, and Redis does not answer: the policy judges, and the write is in doubt.

import Primitives
import State
import TestSupport
import Testing

@testable import Tiers

@Suite struct ThrottleOutageTests {
    private func throttle(_ car: Sidecar) -> [Int64?] {
        let box = Sidecar.Box<Reply>()
        guard let throttle = Throttle(burst: 0, count: 1, period: 60, quantity: 1) else { return [] }
        car.tiers.throttle(throttle, bytes("limit")) { box.values.append($0) }
        car.scheduler.run { box.value != nil }
        guard case .array(let parts)? = box.value else { return [] }
        return parts.map { if case .integer(let value) = $0 { value } else { nil } }
    }

    @Test(arguments: [true, false], ThrottlePolicy.OnOutage.allCases)
    func `the policy judges where Redis does not answer, or refuses`(
        _ isHung: Bool, _ rule: ThrottlePolicy.OnOutage
    ) throws {
        let car = try Sidecar([policy { $0.throttle.onOutage = rule }])
        if isHung { car.redis.isHung = true } else { car.redis.condition = .readonly }
        let first = throttle(car).first
        let second = throttle(car).first
        switch rule {
        case .allow: #expect((first, second) == (0, 0))
        case .deny: #expect((first, second) == (1, 1))
        case .share: #expect((first, second) == (0, 1))
        }
        #expect(car.share.doubtful.isEmpty == !isHung, "what was sent and not answered may be done late")
    }
}
