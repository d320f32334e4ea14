package fargate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/dispatcher/provision"
)

// The end of the runner's log that goes into a notice.
const (
	tailLines    = 20
	tailBytes    = 4 << 10
	tailPatience = 5 * time.Second
)

// killed is the exit code of a container that got SIGKILL.
const killed = 137

// explain says how the task ended, for people.
func explain(task types.Task) provision.Exit {
	exit := provision.Exit{ExecutionID: aws.ToString(task.StartedBy)}
	reason := aws.ToString(task.StoppedReason)
	inside := ofWorker(task)
	because := aws.ToString(inside.Reason)
	switch {
	case inside.ExitCode != nil && *inside.ExitCode == killed && strings.Contains(because, "OutOfMemory"):
		exit.OutOfMemory = true
		exit.Detail = "the worker's task was killed because there was no memory left"
	case inside.ExitCode != nil:
		exit.Detail = fmt.Sprintf("the worker's task ended with exit code %d", *inside.ExitCode)
	default:
		exit.Detail = "the worker's task ended before the runner was started"
		exit.NotStarted, exit.Kind = task.StartedAt == nil, whyNotStarted(reason+" "+because, task.StopCode)
	}
	for _, text := range []string{reason, because} {
		if text != "" && !exit.OutOfMemory {
			exit.Detail += ": " + text
		}
	}
	if task.StopCode == types.TaskStopCodeSpotInterruption {
		exit.Detail += " (AWS took the Spot capacity back)"
	}
	return exit
}

// What the reasons of tasks that did not start say: of causes that stay, and of
// want of capacity. Others, such as timeouts, may go away.
var (
	lasting = []string{
		"manifest unknown", "not found", "no match", "does not exist", "invalid reference", "no basic auth",
		"denied", "AccessDenied", "not authorized", "403 Forbidden", "401 Unauthorized",
		"exec format", "no such file", "executable file", "unable to start container process",
	}
	noRoom = []string{"Capacity is unavailable", "nsufficient capacity", "number of vCPUs", "RESOURCE:"}
)

// whyNotStarted tells whether another launch may work.
func whyNotStarted(reason string, code types.TaskStopCode) provision.Kind {
	says := func(word string) bool { return strings.Contains(reason, word) }
	switch {
	case code == types.TaskStopCodeSpotInterruption || slices.ContainsFunc(noRoom, says):
		return provision.NoCapacity
	case slices.ContainsFunc(lasting, says):
		return provision.Permanent
	}
	return provision.Transient
}

// failed tells whether the last lines are worth a look.
func failed(task types.Task) bool {
	code := ofWorker(task).ExitCode
	return code != nil && *code != 0 && !byStop(task)
}

// tail returns the last lines that the runner printed, as the end of a notice.
func (p *Provisioner) tail(arn string) string {
	if p.options.LogGroup == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(p.life, tailPatience)
	defer cancel()
	stream := p.options.Installation + "/" + container + "/" + arn[strings.LastIndexByte(arn, '/')+1:]
	output, err := p.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: aws.String(p.options.LogGroup), LogStreamName: aws.String(stream), Limit: aws.Int32(tailLines),
	})
	if err != nil || len(output.Events) == 0 {
		return "; what it printed may be in the log stream " + p.options.LogGroup + " " + stream
	}
	lines := make([]string, len(output.Events))
	for i, event := range output.Events {
		lines[i] = aws.ToString(event.Message)
	}
	text := strings.Join(lines, "\n")
	if len(text) > tailBytes {
		text = strings.ToValidUTF8(text[len(text)-tailBytes:], "")
	}
	return "; its last lines were:\n" + text
}
