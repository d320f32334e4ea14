package wire

// Error is an error that a client can tell apart: by its status and its exact
// text, which never change. Compare with errors.Is or by pointer.
type Error struct {
	// Name is the name of the error in every client library.
	Name string
	// Status is the HTTP status.
	Status int
	// Detail is the text that travels.
	Detail string
}

// Error returns the text.
func (e *Error) Error() string { return e.Detail }

// The errors of the contract, under its names.
//
//nolint:errname // clients know them by these names
var (
	NotAuthenticated              = &Error{"NotAuthenticated", 403, "Not authenticated"}
	APIKeyIsInvalid               = &Error{"ApiKeyIsInvalid", 403, "The API key is invalid"}
	OffsetIsInvalid               = &Error{"OffsetIsInvalid", 400, "The next offset is in an invalid format"}
	ParentFunctionNameIsMissing   = &Error{"ParentFunctionNameIsMissing", 400, "The parent function name is missing"}
	ParentInvocationIDIsMissing   = &Error{"ParentInvocationIdIsMissing", 400, "The parent invocation ID is missing"}
	ProjectNameIsTooLong          = &Error{"ProjectNameIsTooLong", 400, "The project name is too long"}
	ProjectIsBeingDeleted         = &Error{"ProjectIsBeingDeleted", 400, "The project is being deleted"}
	ParentInvocationDoesNotExist  = &Error{"ParentInvocationDoesNotExist", 400, "The ID of the parent invocation is invalid"}
	ProjectAlreadyExists          = &Error{"ProjectAlreadyExists", 409, "A project with this name already exists."}
	ProjectDoesNotExist           = &Error{"ProjectDoesNotExist", 404, "A project with this name does not exist"}
	VersionAlreadyExists          = &Error{"VersionAlreadyExists", 409, "A version with this ID already exists for this project"}
	VersionDoesNotExist           = &Error{"VersionDoesNotExist", 404, "A version with this ID does not exist for this project"}
	FunctionAlreadyExists         = &Error{"FunctionAlreadyExists", 409, "A function with this name already exists for this project version"}
	FunctionDoesNotExist          = &Error{"FunctionDoesNotExist", 404, "A function with this name does not exist for this project version"}
	InvocationAlreadyExists       = &Error{"InvocationAlreadyExists", 409, "An invocation with this ID already exists for this function"}
	InvocationDoesNotExist        = &Error{"InvocationDoesNotExist", 404, "An invocation with this ID does not exist for this function"}
	InvocationIsAlreadyTerminated = &Error{"InvocationIsAlreadyTerminated", 409, "This invocation has already terminated"}
	ExecutionAlreadyExists        = &Error{"ExecutionAlreadyExists", 409, "An execution with this ID already exists for this invocation"}
	ExecutionDoesNotExist         = &Error{"ExecutionDoesNotExist", 404, "An execution with this ID does not exist for this invocation"}
	ExecutionHasAlreadyStarted    = &Error{"ExecutionHasAlreadyStarted", 409, "This execution has already started"}
	ExecutionHasNotStarted        = &Error{"ExecutionHasNotStarted", 409, "This execution has not yet started"}
	ExecutionHasAlreadyFinished   = &Error{"ExecutionHasAlreadyFinished", 409, "This execution has already finished"}
	ExecutionHasNotFinished       = &Error{"ExecutionHasNotFinished", 409, "This execution has not yet finished"}
	ExecutionIsAlreadyTerminated  = &Error{"ExecutionIsAlreadyTerminated", 409, "This execution has already terminated"}
)

// Errors lists every error of the contract.
var Errors = []*Error{
	NotAuthenticated, APIKeyIsInvalid,
	OffsetIsInvalid, ParentFunctionNameIsMissing, ParentInvocationIDIsMissing, ProjectNameIsTooLong,
	ProjectIsBeingDeleted, ParentInvocationDoesNotExist,
	ProjectAlreadyExists, ProjectDoesNotExist, VersionAlreadyExists, VersionDoesNotExist,
	FunctionAlreadyExists, FunctionDoesNotExist,
	InvocationAlreadyExists, InvocationDoesNotExist, InvocationIsAlreadyTerminated,
	ExecutionAlreadyExists, ExecutionDoesNotExist, ExecutionHasAlreadyStarted, ExecutionHasNotStarted,
	ExecutionHasAlreadyFinished, ExecutionHasNotFinished, ExecutionIsAlreadyTerminated,
}

// Find returns the error of the contract with this status and text, nil where
// there is none.
func Find(status int, detail string) *Error {
	for _, e := range Errors {
		if e.Status == status && e.Detail == detail {
			return e
		}
	}
	return nil
}

// ErrorBody is the body of every answer that is an error, except for those with
// status 422 about the shape of a request.
type ErrorBody struct {
	Detail string `json:"detail" required:"true"`
}

// ValidationBody is the body of an answer with status 422 about the shape of a
// request.
type ValidationBody struct {
	Detail []Violation `json:"detail" required:"true" nullable:"false"`
}

// Violation says what is wrong with one part of a request.
type Violation struct {
	// Location leads to the part: "body", "query", "path" or "header" first, then
	// names of fields and, in lists, whole numbers.
	Location []any `json:"loc" required:"true" nullable:"false"`
	// Message is for people.
	Message string `json:"msg" required:"true"`
	// Type is for programs, such as "value_error.missing".
	Type string `json:"type" required:"true"`
}
