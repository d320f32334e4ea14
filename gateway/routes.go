package gateway

import (
	"context"
	"net/http"
	"time"

	"multinode/streams"
	"multinode/wire"
)

// Paths, as the contract abbreviates them.
const (
	pathP = "/projects/{" + projectParam + "}"
	pathV = pathP + "/versions/{" + versionParam + "}"
	pathF = pathV + "/functions/{" + functionParam + "}"
	pathI = pathF + "/invocations/{" + invocationParam + "}"
	pathE = pathI + "/executions/{" + executionParam + "}"
)

// Errors that the paths of one kind have in common.
var (
	errorsP = []*wire.Error{wire.ProjectDoesNotExist}
	errorsV = append(errorsP[:1:1], wire.VersionDoesNotExist)
	errorsF = append(errorsV[:2:2], wire.FunctionDoesNotExist)
	errorsI = append(errorsF[:3:3], wire.InvocationDoesNotExist)
	errorsE = append(errorsI[:4:4], wire.ExecutionDoesNotExist)
)

func plus(common []*wire.Error, more ...*wire.Error) []*wire.Error {
	return append(common[:len(common):len(common)], more...)
}

// routes is the table of all paths.
func routes(o Options) []*route {
	return []*route{
		{method: http.MethodGet, path: "/", id: "get_health", summary: "Tell that the gateway is up",
			endpoint: answers((*Gateway).health)},
		{method: http.MethodGet, path: "/ready", id: "get_readiness", summary: "Tell whether the gateway wants requests",
			endpoint: answers((*Gateway).ready), refusals: map[int]string{
				http.StatusServiceUnavailable: "It is about to stop, or has no connection to NATS",
			}},
		{method: http.MethodGet, path: "/openapi.json", id: "get_openapi", summary: "This document",
			endpoint: documentEndpoint()},
		{method: http.MethodGet, path: "/container_repository_credentials", id: "get_container_repository_credentials",
			summary: "Where to push container images", role: streams.RoleDeploy,
			endpoint: answers((*Gateway).containerRepositoryCredentials),
			refusals: map[int]string{http.StatusNotFound: "This system keeps no container repository"}},

		{method: http.MethodGet, path: "/api-keys", id: "list_api_keys", summary: "List the API keys, newest first",
			role: streams.RoleAdmin, endpoint: answers((*Gateway).listKeys)},
		{method: http.MethodPost, path: "/api-keys", id: "create_api_key",
			summary: "Make an API key, which is answered this once and never again",
			role:    streams.RoleAdmin, endpoint: takes((*Gateway).createKey)},
		{method: http.MethodDelete, path: "/api-keys/{" + keyParam + "}", id: "revoke_api_key",
			summary: "Revoke an API key: nothing opens with it any more, and what waits under it ends",
			role:    streams.RoleAdmin, endpoint: answers((*Gateway).revokeKey),
			refusals: map[int]string{
				http.StatusNotFound: "There is no API key with this ID",
				http.StatusConflict: "The key is the server's own, or the last one that administers it",
			}},

		{method: http.MethodGet, path: "/projects", id: "list_projects", summary: "List the projects, newest first",
			role: streams.RoleRead, endpoint: answers((*Gateway).listProjects)},
		{method: http.MethodPut, path: pathP, id: "create_project", summary: "Make a project",
			role: streams.RoleDeploy, endpoint: answers((*Gateway).createProject),
			errors: []*wire.Error{wire.ProjectAlreadyExists, wire.ProjectNameIsTooLong}},
		{method: http.MethodGet, path: pathP, id: "get_project", summary: "Describe a project",
			role: streams.RoleRead, endpoint: answers((*Gateway).getProject), errors: errorsP},
		{method: http.MethodDelete, path: pathP, id: "delete_project",
			summary: "Cancel everything of a project, then delete it",
			role:    streams.RoleDeploy, endpoint: answers((*Gateway).deleteProject), errors: errorsP},

		{method: http.MethodPost, path: pathP + "/versions", id: "create_project_version",
			summary: "Make a version whose code is in a container image",
			role:    streams.RoleDeploy, endpoint: takes((*Gateway).createVersion), errors: plus(errorsP, wire.ProjectIsBeingDeleted)},
		{method: http.MethodGet, path: pathP + "/versions", id: "list_project_versions",
			summary: "List a project's versions, newest first",
			role:    streams.RoleRead, endpoint: answers((*Gateway).listVersions), errors: errorsP},
		{method: http.MethodGet, path: pathV, id: "get_project_version", summary: "Describe a version and its functions",
			role: streams.RoleRead, endpoint: answers((*Gateway).getVersion), errors: errorsV},

		{method: http.MethodHead, path: "/bundles/{" + digestParam + "}", id: "has_bundle",
			summary: "Tell whether a code archive is stored",
			role:    streams.RoleDeploy, endpoint: bundleCheck(),
			refusals: map[int]string{http.StatusNotFound: "There is no bundle with this digest"}},
		{method: http.MethodPut, path: "/bundles/{" + digestParam + "}", id: "put_bundle",
			summary: "Store a code archive (tar.gz) under its SHA-256 digest",
			role:    streams.RoleDeploy, endpoint: bundleUpload(), timeout: o.UploadTimeout,
			refusals: map[int]string{http.StatusBadRequest: "The upload broke off, or the content has another digest"}},
		{method: http.MethodPost, path: pathP + "/deployments", id: "deploy",
			summary: "Make a version from a stored code archive, and the project where the mode allows that",
			role:    streams.RoleDeploy, endpoint: takes((*Gateway).deploy),
			errors:   plus(errorsP, wire.ProjectAlreadyExists, wire.ProjectIsBeingDeleted, wire.ProjectNameIsTooLong),
			refusals: map[int]string{http.StatusBadRequest: "There is no bundle with this digest"}},
		{method: http.MethodGet, path: pathP + "/deployments/{" + versionIDParam + "}/events", id: "follow_deployment",
			summary: "Stream how far a version is prepared",
			role:    streams.RoleRead, errors: errorsV, endpoint: streamsEvents(map[string]any{
				wire.EventProgress: wire.ProgressEvent{}, wire.EventReady: wire.VersionInfo{}, wire.EventFailed: wire.ErrorBody{},
			}, (*Gateway).deploymentEvents)},

		{method: http.MethodPost, path: pathF + "/invocations", id: "create_invocation", summary: "Start an invocation",
			role: streams.RoleInvoke, endpoint: withHeader(wire.IdempotencyKeyHeader, takes((*Gateway).startInvocation)),
			errors: plus(errorsF, wire.ParentInvocationDoesNotExist, wire.ProjectIsBeingDeleted, wire.InvocationAlreadyExists),
			refusals: map[int]string{
				http.StatusBadRequest: "The invocation would have too many ancestors",
				http.StatusConflict:   "The version could not be prepared",

				http.StatusTooManyRequests: "Too many invocations of this function wait; Retry-After says when to try again",
			}},
		{method: http.MethodGet, path: pathF + "/invocations", id: "list_invocations",
			summary: "List a function's invocations, newest first",
			role:    streams.RoleRead, endpoint: asks((*Gateway).listInvocations),
			errors: plus(errorsF, wire.OffsetIsInvalid, wire.ParentFunctionNameIsMissing, wire.ParentInvocationIDIsMissing)},
		{method: http.MethodGet, path: pathI, id: "get_invocation", summary: "Describe an invocation, or wait for its next change",
			role: streams.RoleRead, endpoint: asks((*Gateway).getInvocation), errors: errorsI,
			timeout: wire.MaxWait*time.Second + o.RequestTimeout},
		{method: http.MethodGet, path: pathI + "/events", id: "follow_invocation",
			summary: "Stream an invocation's status, yields and log until it has ended",
			role:    streams.RoleRead, errors: errorsI, endpoint: streamsEvents(map[string]any{
				wire.EventStatus: wire.InvocationInfo{}, wire.EventYield: wire.YieldEvent{},
				wire.EventLog: wire.LogEvent{}, wire.EventEnd: wire.InvocationInfo{},
			}, (*Gateway).invocationEvents)},
		{method: http.MethodPut, path: pathI + "/cancel", id: "cancel_invocation",
			summary: "Cancel an invocation and all that it started",
			role:    streams.RoleInvoke, endpoint: answers((*Gateway).cancelInvocation),
			errors: plus(errorsI, wire.InvocationIsAlreadyTerminated)},

		{method: http.MethodGet, path: pathE, id: "get_execution", summary: "Describe an execution",
			role: streams.RoleRead, endpoint: answers((*Gateway).getExecution), errors: errorsE},
		{method: http.MethodPut, path: pathE + "/start", id: "start_execution", summary: "For its worker: tell that the execution starts",
			role: streams.RoleInvoke, endpoint: answers((*Gateway).startExecution),
			errors: plus(errorsE, wire.ExecutionHasAlreadyStarted, wire.ExecutionIsAlreadyTerminated)},
		{method: http.MethodPut, path: pathE + "/update", id: "update_execution", summary: "For its worker: store an intermediate output",
			role: streams.RoleInvoke, endpoint: takes((*Gateway).updateExecution),
			errors: plus(errorsE, wire.ExecutionHasNotStarted, wire.ExecutionHasAlreadyFinished, wire.ExecutionIsAlreadyTerminated)},
		{method: http.MethodPut, path: pathE + "/finish", id: "finish_execution", summary: "For its worker: store the outcome",
			role: streams.RoleInvoke, endpoint: takes((*Gateway).finishExecution),
			errors: plus(errorsE, wire.ExecutionHasNotStarted, wire.ExecutionHasAlreadyFinished, wire.ExecutionIsAlreadyTerminated)},
		{method: http.MethodGet, path: pathE + "/logs", id: "get_execution_logs", summary: "Read or follow an execution's log",
			role: streams.RoleRead, endpoint: followsLogs(), errors: plus(errorsE, wire.OffsetIsInvalid)},
	}
}

func withHeader(name string, e endpoint) endpoint {
	e.header = name
	return e
}

func bundleUpload() endpoint {
	e := answers((*Gateway).putBundle)
	e.rawBody = "application/gzip"
	return e
}

func bundleCheck() endpoint {
	return endpoint{serve: func(ctx context.Context, g *Gateway, c *call) error { return g.headBundle(ctx, c) }}
}
