// What is said of each kind of problem: one for every `code` that an answer may have.

/// What is said of one kind of problem.
struct ProblemPage {
    /// As in `code`.
    let code: String
    let statuses: String
    let meaning: String
    let remedy: String

    /// The last part of `type`.
    var slug: String { code.replacing("_", with: "-") }

    private init(_ code: String, _ statuses: String, _ meaning: String, _ remedy: String) {
        self.code = code
        self.statuses = statuses
        self.meaning = meaning
        self.remedy = remedy
    }

    static let all: [ProblemPage] = [
        // The request as such
        ProblemPage(
            "malformed_request",
            "400",
            "The bytes are no HTTP/1.1 request: the detail names the line and what is allowed there.",
            "Send it with an ordinary HTTP client; a proxy in between may have changed it.",
        ),
        ProblemPage(
            "malformed_json",
            "400",
            "The content is not well-formed JSON; the detail names the line and column.",
            "Check it with: jq . FILE",
        ),
        ProblemPage(
            "bad_query",
            "400",
            "A query parameter is unknown, stands twice or has a value that is not allowed.",
            "The detail lists what is allowed; openapi.yaml describes every parameter.",
        ),
        ProblemPage(
            "bad_header",
            "400",
            "A header field that this route reads has a value that it cannot have.",
            "The detail names the field and what is allowed.",
        ),
        ProblemPage(
            "bad_key",
            "400",
            "The Idempotency-Key is empty, too long or has characters that are not visible ASCII.",
            "Use 1 to 255 visible ASCII characters, such as a UUID.",
        ),
        ProblemPage(
            "unauthorized",
            "401",
            "This server wants a token here, and none came, or one that is unknown or has expired.",
            "Send `Authorization: Bearer TOKEN`; `detnas token add` on the server makes one.",
        ),
        ProblemPage(
            "csrf",
            "403",
            "The request changes something, and came with a session's cookie alone, as a page of another origin could make it.",
            "Send the `csrf` that `POST /v1/session` answered as `X-CSRF-Token`, or the token itself.",
        ),
        ProblemPage(
            "forbidden",
            "403",
            "The token is good, but not for this: `needed` names the scope.",
            "Ask for a token with that scope.",
        ),
        ProblemPage(
            "unknown_host",
            "421",
            "The Host field names none of this server's names. A page of another site could otherwise reach it.",
            "Use one of its names, or start it with --name NAME.",
        ),
        ProblemPage(
            "not_found",
            "404",
            "There is nothing at this path, or no job, checkpoint or other thing of this id.",
            "The lists, such as GET /v1/jobs, say what there is; ids are whole, not prefixes.",
        ),
        ProblemPage(
            "method_not_allowed",
            "405",
            "This path exists, but not for this method; the field Allow lists those that it has.",
            "See openapi.yaml.",
        ),
        ProblemPage(
            "request_timeout",
            "408",
            "The request came too slowly and was given up.",
            "Send it again; a large upload has a deadline only where nothing moves at all.",
        ),
        ProblemPage(
            "content_missing",
            "404",
            "What this path stands for was there and is no longer on the disk.",
            "See whether the data directory was changed by hand.",
        ),
        ProblemPage(
            "body_too_large",
            "413",
            "The content is longer than this route takes.",
            "GET /v1/system shows the limits.",
        ),
        ProblemPage(
            "unsupported_media_type",
            "415",
            "The content is not JSON, or does not say so.",
            "Send `Content-Type: application/json`; with curl: --json.",
        ),
        ProblemPage(
            "header_too_large",
            "431",
            "The head of the request, one of its fields or its target is too long.",
            "A head may have 16 KB and 100 fields, a target 8 KB.",
        ),
        ProblemPage(
            "target_too_long",
            "414",
            "The target of the request, its path and query, is too long.",
            "A target may have 8 KB.",
        ),
        ProblemPage(
            "range_not_satisfiable",
            "416",
            "The range begins after the end of the content; Content-Range tells its length.",
            "A download that is whole already has nothing left to ask for.",
        ),
        ProblemPage(
            "expectation_failed",
            "417",
            "The field Expect asks for something else than 100-continue.",
            "Leave the field out.",
        ),
        ProblemPage(
            "method_not_implemented",
            "501",
            "No path of this server has this method.",
            "See openapi.yaml.",
        ),
        ProblemPage(
            "transfer_encoding_not_implemented",
            "501",
            "The content comes in a transfer coding other than chunked.",
            "Send it with a Content-Length, or chunked alone.",
        ),
        ProblemPage(
            "version_not_supported",
            "505",
            "The request is not HTTP/1.1 or 1.0.",
            "Put a proxy in front for other versions: deploy/ has an example.",
        ),
        ProblemPage(
            "validation",
            "422",
            "The request is well-formed, but asks for what cannot be done. `errors` has every fault at once, each with"
                + " its place and what is allowed there.",
            "GET /v1/job-kinds/KIND has the schema of a job, and ?dryRun=true checks one without storing it.",
        ),
        ProblemPage(
            "idempotency_mismatch",
            "422",
            "The Idempotency-Key was used before with another content.",
            "Use a new key for a new request; repeat a request byte for byte.",
        ),

        ProblemPage(
            "digest_mismatch",
            "422",
            "The content that came has another digest than was told; nothing of it was kept.",
            "Send it again; if it comes wrong again, compute the digest anew.",
        ),
        ProblemPage(
            "size_mismatch",
            "422",
            "The content that came is shorter or longer than was announced; nothing of it was kept.",
            "Send it again, or announce it anew.",
        ),

        // What is asked for cannot be now
        ProblemPage(
            "no_checkpoint",
            "404",
            "The job has no checkpoint: the detail says why.",
            "Wait until it has written one, or ask for one: POST /v1/jobs/ID/checkpoint.",
        ),
        ProblemPage(
            "already_stored",
            "409",
            "The upload has its content already; what is stored does not change.",
            "Announce another upload.",
        ),
        ProblemPage(
            "digest_conflict",
            "409",
            "The request and the announcement of the upload name different digests.",
            "Announce it anew with the right one.",
        ),
        ProblemPage(
            "size_conflict",
            "409",
            "The request and the announcement of the upload name different sizes.",
            "Announce it anew with the right one.",
        ),
        ProblemPage(
            "dataset_exists",
            "409",
            "A data set of this name or folder is registered, or what was uploaded would hide a folder that is there.",
            "Choose another name, or delete that one first; GET /v1/datasets lists them all.",
        ),
        ProblemPage(
            "no_files",
            "409",
            "The data set has no files that could be looked at: they are still being unpacked, or could not be, or its folder"
                + " is gone.",
            "Wait, or see its `failures`; then register it anew.",
        ),
        ProblemPage(
            "too_many_uploads",
            "429",
            "As many uploads lie here as the server keeps.",
            "Use or delete some.",
        ),
        ProblemPage(
            "invalid_transition",
            "409",
            "The job is in a state in which this cannot be done; `state` names it.",
            "A job must have ended to be deleted or tried again, and run to be paused.",
        ),
        ProblemPage(
            "referenced",
            "409",
            "Unfinished jobs need this; `by` lists them.",
            "Wait for them, or cancel them first.",
        ),
        ProblemPage(
            "gone",
            "410",
            "This was here and is gone: deleted, or its file is no longer on the disk.",
            "Its record says what it was; a backup may still have it.",
        ),
        ProblemPage(
            "compacted",
            "410",
            "Events of single steps were dropped here, since the job ended long ago; `oldestSeq` is where the rest begins.",
            "Ask without `after` for what is left, for other `types`, or after the number that the detail names.",
        ),
        ProblemPage(
            "revision",
            "412",
            "The job has changed since the revision that If-Match names, or something else is not what it names.",
            "GET it, look at the change, and send the request with the new ETag.",
        ),
        ProblemPage(
            "queue_full",
            "429",
            "As many jobs wait as this server takes.",
            "Wait until some have run; GET /v1/system shows the limit.",
        ),
        ProblemPage(
            "busy",
            "429",
            "Other dry runs are being measured.",
            "Ask again in a while, or with measure=false.",
        ),
        ProblemPage(
            "rate_limited",
            "429",
            "More requests came with this token than a token may send in a second.",
            "Wait as long as Retry-After says; events can be streamed, and GET of a job can wait, instead of asking again"
                + " and again.",
        ),
        ProblemPage(
            "too_many_failures",
            "429",
            "Too many wrong tokens came from this address.",
            "Retry-After says when it may try again.",
        ),

        // The server
        ProblemPage(
            "internal",
            "500",
            "The server failed. Its log says why, under the request's id, which is `instance` here.",
            "Look into the log; a request that changes nothing may be sent again.",
        ),
        ProblemPage(
            "damaged",
            "500",
            "A file is not as long as it was when it was made.",
            "Look at the disk; a backup may have it whole.",
        ),
        ProblemPage(
            "database_damaged",
            "500 or 503",
            "A page of the database cannot be read as it was written. What can still be read is still answered.",
            "Stop the server, run `detnas doctor`, and restore a backup with `detnas restore`.",
        ),
        ProblemPage(
            "storage_failed",
            "500 or 503",
            "The data directory cannot be read or written; the server's log says why.",
            "See whether its file system is there and can be written; `detnas doctor` looks.",
        ),
        ProblemPage(
            "draining",
            "503",
            "The server is about to stop and takes no more.",
            "Send the request again in a moment.",
        ),
        ProblemPage(
            "too_many_connections",
            "503",
            "As many connections are open as this server keeps, in all or from this address.",
            "Use one connection for many requests; Retry-After says when to try again.",
        ),
        ProblemPage(
            "disk_reserve",
            "507 or 503",
            "Less room is left where the data directory is than the server keeps in reserve: it takes and starts no new"
                + " work. Running jobs go on.",
            "Make room, or delete jobs and checkpoints; the queue goes on by itself.",
        ),
        ProblemPage(
            "disk_full",
            "507",
            "There is no room left where the data directory is; nothing was stored.",
            "Make room, then send the request again.",
        ),
        ProblemPage(
            "not_stored",
            "507",
            "The content came, but cannot be kept: the detail says why.",
            "Make room where the data directory is, then send it again.",
        ),
        ProblemPage(
            "body_not_stored",
            "507",
            "The content cannot be stored: the detail says why.",
            "Make room where the data directory is, then send it again.",
        ),
    ]
}
