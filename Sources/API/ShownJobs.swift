// Jobs as they were shown last: those who wait for a job ask for it again and again, and mostly nothing has happened.

internal import Configs
internal import HTTP
internal import Jobs
internal import Synchronization

/// Answers that hold as long as no job has changed.
final class ShownJobs: Sendable {
    private struct Answers {
        /// Of the store's changes; older answers do not hold.
        var tick = -1
        var of: [String: HTTPResponse] = [:]
    }

    /// How many are remembered.
    private static let most = 64
    private let answers = Mutex(Answers())

    func response(of job: String, at tick: Int) -> HTTPResponse? {
        answers.withLock { $0.tick == tick ? $0.of[job] : nil }
    }

    /// - Parameter tick: of the store's changes before the job was read.
    func keep(_ response: HTTPResponse, of job: JobID, at tick: Int) {
        answers.withLock { answers in
            guard tick >= answers.tick else { return }
            if tick > answers.tick || answers.of.count >= ShownJobs.most {
                answers = Answers(tick: tick)
            }
            answers.of[job.rawValue] = response
        }
    }
}
