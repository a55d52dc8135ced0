// All routes on one screen; `openapi.yaml` says what each takes and answers, and a test holds both together.

package import HTTP

extension Service {
    package var routes: [HTTPRoute] {
        let body = limits.bodyBytes
        return [
            route("GET", "/healthz", health),
            route("GET", "/readyz", ready),
            route("GET", "/version", version),
            route("GET", "/metrics", metrics),
            route("GET", "/v1/system", system),
            route("GET", "/v1/system/workers", listWorkers),
            route("POST", "/v1/system/workers/{core}/drain", drainWorker),
            route("POST", "/v1/system/workers/{core}/enable", enableWorker),
            route("GET", "/v1/system/queue", getQueue),

            route("POST", "/v1/jobs", bodyLimit: body, submitJob),
            route("GET", "/v1/jobs", listJobs),
            route("GET", "/v1/jobs/{id}", getJob),
            route("POST", "/v1/jobs/{id}/cancel", bodyLimit: body, cancelJob),
            route("PATCH", "/v1/jobs/{id}", bodyLimit: body, patchJob),
            route("DELETE", "/v1/jobs/{id}", deleteJob),
            route("POST", "/v1/jobs/{id}/pause", bodyLimit: body, pauseJob),
            route("POST", "/v1/jobs/{id}/resume", bodyLimit: body, resumeJob),
            route("POST", "/v1/jobs/{id}/retry", bodyLimit: body, retryJob),
            route("POST", "/v1/jobs/{id}/checkpoint", bodyLimit: body, checkpointJob),
            route("GET", "/v1/jobs/{id}/events", getEvents),
            route("GET", "/v1/jobs/{id}/logs", getLog),
            route("GET", "/v1/jobs/{id}/metrics", getMetrics),
            route("GET", "/v1/jobs/{id}/metrics/series", getSeries),
            route("GET", "/v1/jobs/{id}/metrics/series.csv", getSeriesTable),
            route("GET", "/v1/jobs/{id}/candidates", listCandidates),
            route("GET", "/v1/jobs/{id}/generations", getGenerations),
            route("GET", "/v1/jobs/{id}/pareto", getFront),
            route("GET", "/v1/jobs/{id}/files", listFiles),
            route("GET", "/v1/jobs/{id}/files/{name}", getFile),

            route("POST", "/v1/pipelines", bodyLimit: body, submitPipeline),
            route("GET", "/v1/pipelines/{id}", getPipeline),

            route("GET", "/v1/checkpoints", listCheckpoints),
            route("GET", "/v1/checkpoints/{id}", getCheckpoint),
            route("GET", "/v1/checkpoints/{id}/content", getCheckpointContent),

            route("GET", "/v1/search-spaces", listSpaces),
            route("GET", "/v1/search-spaces/{name}", getSpace),
            route("GET", "/v1/search-spaces/{name}/sample", sampleSpace),

            route("GET", "/v1/architectures", listArchitectures),
            route("GET", "/v1/architectures/compare", compareArchitectures),
            route("POST", "/v1/architectures/validate", bodyLimit: body, validateArchitecture),
            route(
                "POST",
                "/v1/architectures/{hash}/retrain",
                bodyLimit: body,
                retrainArchitecture,
            ),
            route(
                "POST",
                "/v1/architectures/{hash}/evaluate",
                bodyLimit: body,
                evaluateArchitecture,
            ),
            route("GET", "/v1/architectures/{hash}", getArchitecture),
            route("GET", "/v1/architectures/{hash}/content", getArchitectureContent),
        ]
    }
}
