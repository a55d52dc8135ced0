// Job files, and where one is wrong.

package import Configs
package import Foundation

package enum JobFile {
    /// The value in a JSON or YAML file, by its name; `-` is JSON from the standard input.
    ///
    /// - Throws: `ClientError` with file, line and column.
    package static func read(_ path: String) throws(ClientError) -> JSONValue {
        if path == "-" {
            return try parse(
                FileHandle.standardInput.readDataToEndOfFile(),
                named: "standard input",
                isYAML: false,
            )
        }
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let isThere = FileManager.default.fileExists(atPath: path)
            throw ClientError(
                isThere ? "cannot read \(path)" : "there is no file \(path)",
                isThere ? .forbidden : .notFound,
            )
        }
        let isYAML = ["yaml", "yml"].contains(URL(filePath: path).pathExtension)
        return try parse(data, named: path, isYAML: isYAML)
    }

    package static func parse(
        _ data: Data,
        named name: String,
        isYAML: Bool,
    ) throws(ClientError) -> JSONValue {
        do {
            return isYAML ? try JSONValue(parsingYAML: data) : try JSONValue(parsing: data)
        } catch let error as JSONError {
            throw ClientError("\(name):\(error.line):\(error.column): \(error.message)", .badInput)
        } catch {
            throw ClientError("\(name):\(place("\(error)"))", .badInput)
        }
    }

    /// `3:5: what` for `line 3, column 5: what`, and for what begins so already.
    private static func place(_ text: String) -> String {
        if let match = text.firstMatch(of: #/^line (\d+), column (\d+): /#) {
            return "\(match.1):\(match.2): \(text[match.range.upperBound...])"
        }
        return text.first?.isNumber == true ? text : " \(text)"
    }
}
