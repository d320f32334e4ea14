package dispatcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
	"multinode/streams"
)

// Names of a worker's environment variables. The user's code sees the first
// seven.
const (
	envProject      = "MULTINODE_PROJECT_NAME"
	envVersion      = "MULTINODE_VERSION_ID"
	envFunction     = "MULTINODE_FUNCTION_NAME"
	envInvocation   = "MULTINODE_INVOCATION_ID"
	envExecution    = "MULTINODE_EXECUTION_ID"
	envAPIKey       = "MULTINODE_API_KEY"
	envExecutionKey = "MULTINODE_EXECUTION_KEY"
)

// Names of those that are the same for all workers of a system.
const (
	EnvAPIURL  = "MULTINODE_API_URL"
	EnvNATSURL = "MULTINODE_NATS_URL"
	EnvNATSCA  = "MULTINODE_NATS_CA"
	EnvAPICA   = "MULTINODE_API_CA"
)

// launch starts the worker of the intended execution. Where that is put off or
// impossible it answers the request and returns errDropped.
func (l *lease) launch(ctx context.Context) error {
	intent, err := l.intent(ctx)
	if err == nil {
		// One that hangs must not hold the slot for ever.
		launching, end := clockwork.WithTimeout(ctx, l.d.Clock, multinode.StartDeadline)
		l.worker, err = l.d.Provisioner.Launch(launching, intent)
		end()
		failpoint.Hit("dispatcher.launched")
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errDropped) || errors.Is(cause, errCutShort) {
			return ctx.Err() // whoever adopts it sees to it
		}
		return l.takeBackAtTheEnd(ctx)
	}
	var failure *build.Failure
	if provision.KindOf(err) == provision.Permanent || errors.As(err, &failure) && l.putOffFor() > rebuildPatience {
		return answered(l.verdict(ctx, multinode.OutcomeLaunchFailed, "the worker cannot be launched: "+err.Error()))
	}
	return l.postpone(ctx, err)
}

func (l *lease) intent(ctx context.Context) (provision.Intent, error) {
	version, err := l.version(ctx)
	if err != nil {
		return provision.Intent{}, err
	}
	if version.Bundle == "" {
		return provision.Intent{}, &provision.Error{Kind: provision.Permanent, Err: fmt.Errorf(
			"version %s is a container image without uploaded code, which this server cannot run; deploy it with `multinode upgrade`", version.ID)}
	}
	code, image, err := l.locate(ctx, version)
	if err != nil {
		return provision.Intent{}, err
	}
	key := l.executionKey()
	name := streams.ExecutionKeyName(key)
	expires := l.d.credentialsEnd(l.record.Spec)
	credentials, err := l.d.MintWorker(l.execution, name, expires)
	if err != nil {
		return provision.Intent{}, fmt.Errorf("mint the worker's credentials: %w", err)
	}
	environment := map[string]string{
		envProject: l.key.Project, envVersion: l.record.Version, envFunction: l.key.Function,
		envInvocation: l.key.ID, envExecution: l.execution, EnvAPIURL: l.d.APIURL, envAPIKey: l.d.Store.WorkerKey(key),
		EnvNATSURL: l.d.NATSURL, EnvNATSCA: l.d.NATSCA, envExecutionKey: name,
	}
	if l.d.APICA != "" {
		environment[EnvAPICA] = l.d.APICA
	}
	return provision.Intent{
		ExecutionID: l.execution, ExecutionKey: name,
		Project: l.key.Project, Version: l.record.Version, Function: l.key.Function, Invocation: l.key.ID,
		CPU: l.record.Spec.CPU, MemoryGiB: l.record.Spec.MemoryGiB,
		Environment: environment,
		Credentials: credentials,
		Code:        code,
		Image:       image,
	}, nil
}

// locate returns what the worker is to run: prepared code or an image, whichever the
// compute takes.
func (l *lease) locate(ctx context.Context, v multinode.Version) (provision.Code, string, error) {
	if l.d.Images != nil {
		image, err := l.d.imageOf(v, l.key.Function)
		return provision.Code{}, image, err
	}
	code, err := l.d.Builder.Locate(ctx, v.Bundle, l.d.fetch(ctx, v.Bundle))
	return provision.Code{ProjectDir: code.ProjectDir, Python: code.Python}, "", err
}

func (l *lease) version(ctx context.Context) (multinode.Version, error) {
	project, err := l.d.Store.Project(ctx, l.key.Project)
	if err != nil {
		return multinode.Version{}, err
	}
	return l.d.Store.Version(ctx, project, l.record.Version)
}
