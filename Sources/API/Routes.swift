// All routes on one screen; `openapi.yaml` says what each takes and answers, and a test holds both together.

package import HTTP

extension Service {
    package var routes: [HTTPRoute] {
        let body = limits.bodyBytes
        return [
            route("GET", "/healthz", for: nil, atOnce: { _ in Service.healthy }, health),
            route("GET", "/readyz", for: nil, ready),
            route("GET", "/version", for: nil, version),
            route("GET", "/metrics", for: .metrics, metrics),
            route("GET", "/openapi.yaml", for: nil, openAPI),
            route("GET", "/problems", for: nil, listProblems),
            route("GET", "/problems/{slug}", for: nil, getProblem),
            route("GET", "/v1/system", for: .read, system),
            route("GET", "/v1/system/workers", for: .read, listWorkers),
            route("POST", "/v1/system/workers/{core}/drain", for: .admin, drainWorker),
            route("POST", "/v1/system/workers/{core}/enable", for: .admin, enableWorker),
            route("GET", "/v1/system/queue", for: .read, getQueue),

            route("POST", "/v1/jobs", bodyLimit: body, for: .submit, submitJob),
            route("GET", "/v1/jobs", for: .read, listJobs),
            route("GET", "/v1/jobs/{id}", for: .read, atOnce: jobAtOnce, getJob),
            route("POST", "/v1/jobs/{id}/cancel", bodyLimit: body, for: .manage, cancelJob),
            route("PATCH", "/v1/jobs/{id}", bodyLimit: body, for: .manage, patchJob),
            route("DELETE", "/v1/jobs/{id}", for: .manage, deleteJob),
            route("POST", "/v1/jobs/{id}/pause", bodyLimit: body, for: .manage, pauseJob),
            route("POST", "/v1/jobs/{id}/resume", bodyLimit: body, for: .manage, resumeJob),
            route("POST", "/v1/jobs/{id}/retry", bodyLimit: body, for: .manage, retryJob),
            route(
                "POST",
                "/v1/jobs/{id}/checkpoint",
                bodyLimit: body,
                for: .manage,
                checkpointJob,
            ),
            route("GET", "/v1/jobs/{id}/events", for: .read, getEvents),
            route("GET", "/v1/events", for: .read, getAllEvents),
            route("GET", "/v1/jobs/{id}/bundle.tar", for: .read, getBundle),
            route("GET", "/v1/jobs/{id}/logs", for: .read, getLog),
            route("GET", "/v1/jobs/{id}/metrics", for: .read, getMetrics),
            route("GET", "/v1/jobs/{id}/metrics/series", for: .read, getSeries),
            route("GET", "/v1/jobs/{id}/metrics/series.csv", for: .read, getSeriesTable),
            route("GET", "/v1/jobs/{id}/candidates", for: .read, listCandidates),
            route(
                "POST",
                "/v1/jobs/{id}/candidates",
                bodyLimit: body,
                for: .manage,
                joinSearch,
            ),
            route("GET", "/v1/jobs/{id}/generations", for: .read, getGenerations),
            route("GET", "/v1/jobs/{id}/pareto", for: .read, getFront),
            route("GET", "/v1/jobs/{id}/files", for: .read, listFiles),
            route("GET", "/v1/jobs/{id}/files/{name}", for: .read, getFile),

            route("POST", "/v1/pipelines", bodyLimit: body, for: .submit, submitPipeline),
            route("GET", "/v1/pipelines", for: .read, listPipelines),
            route("GET", "/v1/pipelines/{id}", for: .read, getPipeline),
            route(
                "POST",
                "/v1/pipelines/{id}/pause",
                bodyLimit: body,
                for: .manage,
                pausePipeline,
            ),
            route(
                "POST",
                "/v1/pipelines/{id}/resume",
                bodyLimit: body,
                for: .manage,
                resumePipeline,
            ),
            route(
                "POST",
                "/v1/pipelines/{id}/cancel",
                bodyLimit: body,
                for: .manage,
                cancelPipeline,
            ),

            route("GET", "/v1/job-kinds", for: .read, listKinds),
            route("GET", "/v1/job-kinds/{kind}", for: .read, getKind),

            route("GET", "/v1/jobs/{id}/checkpoints/latest", for: .read, latestCheckpoint),
            route("GET", "/v1/jobs/{id}/checkpoints/latest/content", for: .read, latestContent),
            route("GET", "/v1/jobs/{id}/checkpoints/best", for: .read, bestCheckpoint),
            route("GET", "/v1/jobs/{id}/checkpoints/best/content", for: .read, bestContent),
            route("GET", "/v1/checkpoints", for: .read, listCheckpoints),
            route("POST", "/v1/checkpoints", bodyLimit: body, for: .submit, importCheckpoint),
            route("GET", "/v1/checkpoints/{id}", for: .read, getCheckpoint),
            route("DELETE", "/v1/checkpoints/{id}", for: .manage, deleteCheckpoint),
            route("GET", "/v1/checkpoints/{id}/content", for: .read, getCheckpointContent),
            route("POST", "/v1/checkpoints/{id}/verify", for: .read, verifyCheckpoint),

            route("POST", "/v1/uploads", bodyLimit: body, for: .submit, announceUpload),
            route("GET", "/v1/uploads", for: .read, listUploads),
            route("GET", "/v1/uploads/{id}", for: .read, getUpload),
            storingRoute("PUT", "/v1/uploads/{id}", for: .submit, admit: admitUpload, putUpload),
            route("DELETE", "/v1/uploads/{id}", for: .submit, deleteUpload),

            route("GET", "/v1/auth/whoami", for: nil, whoAmI),
            route("GET", "/v1/auth/tokens", for: .admin, listTokens),
            route("POST", "/v1/auth/tokens", bodyLimit: body, for: .admin, makeToken),
            route("DELETE", "/v1/auth/tokens/{id}", for: .admin, removeToken),

            route("GET", "/v1/search-spaces", for: .read, listSpaces),
            route("GET", "/v1/search-spaces/{name}", for: .read, getSpace),
            route("GET", "/v1/search-spaces/{name}/sample", for: .read, sampleSpace),

            route("GET", "/v1/architectures", for: .read, listArchitectures),
            route("GET", "/v1/architectures/compare", for: .read, compareArchitectures),
            route(
                "POST",
                "/v1/architectures/validate",
                bodyLimit: body,
                for: .read,
                validateArchitecture,
            ),
            route(
                "POST",
                "/v1/architectures/{hash}/retrain",
                bodyLimit: body,
                for: .submit,
                retrainArchitecture,
            ),
            route(
                "POST",
                "/v1/architectures/{hash}/evaluate",
                bodyLimit: body,
                for: .submit,
                evaluateArchitecture,
            ),
            route("GET", "/v1/architectures/{hash}", for: .read, getArchitecture),
            route("GET", "/v1/architectures/{hash}/content", for: .read, getArchitectureContent),
        ]
    }
}
