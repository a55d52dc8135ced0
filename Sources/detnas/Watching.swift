// How `submit --follow` and `watch` tell of a job.

import ArgumentParser
import Client
import Configs
import Foundation

/// Follows a job's events and tells of them: in words, and on a terminal with a line below them that is drawn again.
struct Watching {
    private let client: Client
    private var patience: Patience

    init(_ client: Client, _ patience: Patience) {
        self.client = client
        self.patience = patience
    }

    /// - Returns: as `wait` exits.
    mutating func follow(_ job: String) throws -> ExitCode {
        let screen = Terminal.isThere ? Screen() : nil
        if screen != nil {
            let tell = patience.tell
            patience.tell = { tell("\r\u{1b}[K\($0)") }
        }
        var line: JobLine?
        if let screen {
            let known = JobLine(try patience.run { try client.get("/v1/jobs/\(job)") })
            screen.draw(known)
            line = known
        }
        let end = try client.follow(job, &patience) { event, _ in
            line?.take(event)
            if let text = EventWords.text(event), line == nil || !EventWords.isPassing(event) {
                screen?.clear()
                say(text)
            }
            if let line { screen?.draw(line) }
        }
        screen?.clear()
        return ExitCode(ExitStatus.of(state: end["state"]?.string))
    }
}

/// The line that is drawn again.
private final class Screen {
    /// Seconds between two drawings: an old job's events come by the thousand.
    private static let pause = 0.05

    private var drawn = Date.distantPast

    func draw(_ line: JobLine) {
        guard -drawn.timeIntervalSinceNow > Screen.pause else { return }
        drawn = Date()
        write("\r\u{1b}[K" + line.text(width: Terminal.width - 1))
    }

    func clear() {
        drawn = .distantPast
        write("\r\u{1b}[K")
    }

    private func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
