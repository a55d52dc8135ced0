// Why a file of weights could not be read or written.

/// A failure of the file formats: the file, the place within it, what was found, what is allowed.
package enum CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The system did not open, map or read the file.
    case unreadable(file: String, reason: String)
    /// The bytes are not what the format allows; `place` is a tensor, a header field or an offset.
    case malformed(file: String, place: String, found: String, allowed: String)
    /// A pickle names code (`module.name`) that is no part of a state dict; nothing of it was run.
    case refused(file: String, global: String)
    /// A tensor handed to the writer is not what it says; nothing was left behind.
    case unwritable(file: String, place: String, found: String, allowed: String)
    /// The system did not write the file; nothing was left behind.
    case notWritten(file: String, reason: String)
    /// The disk or a quota is full; nothing was left behind.
    case diskFull(file: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
        case .malformed(let file, let place, let found, let allowed),
            .unwritable(let file, let place, let found, let allowed):
            "\(file): \(place): found \(found); allowed: \(allowed)"
        case .refused(let file, let global):
            "\(file): the pickle names `\(global)`; only the globals of state dicts are read, "
                + "and no pickled code is ever run"
        case .notWritten(let file, let reason): "\(file): cannot be written: \(reason)"
        case .diskFull(let file): "\(file): cannot be written: the disk or the quota is full"
        }
    }
}

extension CheckpointError {
    /// `text` as it may stand in a message: at most 120 characters, control characters spelled out.
    static func quoted(_ text: String) -> String {
        var shown = ""
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < 120 else { return "`\(shown)...`" }
            shown +=
                scalar.value < 32 || scalar.value == 127
                ? scalar.escaped(asASCII: true) : String(scalar)
            count += 1
        }
        return "`\(shown)`"
    }
}
