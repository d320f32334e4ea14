package fargate

import (
	"log/slog"
	"testing"

	"github.com/jonboulle/clockwork"

	"multinode/dispatcher/provision"
)

// Whatever is in the queue, reading it harms nothing, and only executions are told of.
func FuzzEvents(f *testing.F) {
	const cluster = "arn:aws:ecs:eu-central-1:123456789012:cluster/workers"
	f.Add(`{"detail-type": "ECS Task State Change", "detail": {"taskArn": "arn:1", "clusterArn": "` + cluster + `", "startedBy": "exe-1",
		"taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/multinode-0123456789abcdef0123456789abcdef:1",
		"lastStatus": "DEPROVISIONING", "startedAt": "2026-01-02T03:04:05Z", "containers": [{"name": "worker", "lastStatus": "STOPPED", "exitCode": 3}]}}`)
	f.Add(`{"detail-type": "ECS Task State Change", "detail": {"clusterArn": "` + cluster + `", "containers": null}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		p := &Provisioner{
			options: Options{Cluster: cluster, Installation: "multinode", Clock: clockwork.NewFakeClock(), Logger: slog.New(slog.DiscardHandler)},
			exits:   make(chan provision.Exit, 1), life: t.Context(), workers: map[string]*worker{},
		}
		_ = p.take(body)
		select {
		case exit := <-p.exits:
			if err := provision.ValidateExecutionID(exit.ExecutionID); err != nil {
				t.Error(err)
			}
		default:
		}
	})
}
