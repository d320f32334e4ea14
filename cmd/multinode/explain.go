package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"multinode/client"
	"multinode/cmd/multinode/internal/config"
	"multinode/wire"
)

// explain turns what a call returned into a line for people: what is wrong, and
// the command that helps.
func (a *app) explain(err error, t *target) error {
	var exit *exitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, errInterrupted) {
		return err
	}
	var down *client.UnreachableError
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the server's certificate is not trusted (%w). If it is one of your own, name its authority's PEM file in SSL_CERT_FILE", unknown.Err)
	}
	if errors.As(err, &down) {
		return fmt.Errorf("no server answers at %s (%s). Start one with `multinode up`, or %s", down.URL, down.Reason(), a.anotherServer(down.URL, "choose another with `multinode login`"))
	}
	var known *wire.Error
	if errors.As(err, &known) {
		if text := a.explainKnown(known, t); text != "" {
			return errors.New(text)
		}
	}
	var answer *client.Error
	if errors.As(err, &answer) {
		return a.explainAnswer(answer)
	}
	return err
}

func (a *app) explainKnown(e *wire.Error, t *target) string {
	switch e {
	case wire.APIKeyIsInvalid, wire.NotAuthenticated:
		if a.getenv(config.KeyVariable) != "" {
			return "the server does not accept the API key in " + config.KeyVariable + ". Set another one, or unset it and run `multinode login`"
		}
		return "the server does not accept this API key. Run `multinode login` to give another one"
	case wire.ProjectDoesNotExist:
		if t.dir != "" {
			return fmt.Sprintf("project %q does not exist. Run `%s` to create it", t.project, t.command("deploy "+shellWord(t.dir), ofProject...))
		}
		return fmt.Sprintf("project %q does not exist. Run `multinode list` to see those that do", t.project)
	case wire.ProjectAlreadyExists:
		return fmt.Sprintf("project %q already exists. Run `%s` to give it this code", t.project, t.command("upgrade "+shellWord(t.dir), ofProject...))
	case wire.ProjectIsBeingDeleted:
		return fmt.Sprintf("project %q is being undeployed. Try again once `multinode list` no longer shows it", t.project)
	case wire.ProjectNameIsTooLong:
		return fmt.Sprintf("the project name %q is too long: at most 64 characters. Choose a shorter --project-name", t.project)
	case wire.VersionDoesNotExist:
		if t.version == "" {
			return fmt.Sprintf("project %q has no version that is ready. Run `%s` to see why", t.project, t.command("describe", ofProject...))
		}
		return fmt.Sprintf("version %q of project %q does not exist. Run `%s` to see those that do", t.version, t.project, t.command("describe", ofProject...))
	case wire.FunctionDoesNotExist:
		return fmt.Sprintf("function %q does not exist in this version of project %q. Run `%s` to see those that do", t.function, t.project, t.command("describe", "project-name", "version-id"))
	case wire.InvocationDoesNotExist:
		return fmt.Sprintf("invocation %q of function %q does not exist. Run `%s` to see the newest", t.invocation, t.function, t.command("describe", ofFunction...))
	case wire.InvocationIsAlreadyTerminated:
		return fmt.Sprintf("invocation %s has already finished. Run `%s` to see how", t.invocation, t.command("describe", ofInvocation...))
	case wire.ExecutionDoesNotExist:
		return fmt.Sprintf("execution %q of invocation %s does not exist. Run `%s` to see those that do", t.execution, t.invocation, t.command("describe", ofInvocation...))
	}
	return ""
}

func (a *app) explainAnswer(e *client.Error) error {
	switch e.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return fmt.Errorf("%s: %s Try again later", e.Op, sentence(e.Detail))
	case http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%s: the server takes no body of this size: %s", e.Op, e.Detail)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("%s: %s (HTTP %d). The address may not be that of a Multinode server: %s", e.Op, e.Detail, e.Status, a.anotherServer(a.getenv(config.URLVariable), "run `multinode login` to give another one"))
	}
	return e
}

// anotherServer says how to choose another server than this one: as given, unless
// the environment chose it.
func (a *app) anotherServer(url, otherwise string) string {
	bare := func(url string) string { return strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/") }
	if chosen := a.getenv(config.URLVariable); chosen != "" && bare(chosen) == bare(url) {
		return "change the address in " + config.URLVariable + ", which decides as long as it is set"
	}
	return otherwise
}

// sentence ends a text with a full stop, unless it ends like a sentence already.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
