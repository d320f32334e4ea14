package aws_test

import (
	"runtime"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"multinode/dispatcher/provision/fargate/fakeecs"
)

// The real program starts with what the task definition gives it, and looks for its tasks at AWS.
func TestTheDispatcherStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	// It makes images for what it runs on.
	architecture := cty.StringVal(map[string]string{"amd64": "X86_64", "arm64": "ARM64"}[runtime.GOARCH])
	nats := startNATS(t)
	for name, spot := range map[string]cty.Value{"on demand": cty.False, "spot": cty.True} {
		t.Run(name, func(t *testing.T) {
			p := mustPlan(t, map[string]cty.Value{"architecture": architecture, "spot": spot, "base_image": cty.StringVal("public.ecr.aws/docker/library/python:{version}-slim")})
			c := definition(t, p, "aws_ecs_task_definition.dispatcher")
			server := fakeecs.New(fakeecs.Options{})
			t.Cleanup(server.Close)
			local := c.with(t, "nats-url", nats.url).with(t, "fargate-queue-url", server.URL+fakeecs.QueuePath)
			environment := append(nats.environment(t, p, c), "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret")
			var facts struct {
				URL string `json:"nats_url"`
			}
			out, _ := start(t, program(t, "multinode"), environment, append(local.Command, "--json")...)
			must(t, out.Decode(&facts))
			if facts.URL != nats.url || server.Calls("ListTasks") == 0 {
				t.Errorf("NATS is at %s; tasks were listed %d times", facts.URL, server.Calls("ListTasks"))
			}
		})
	}
}

// Together they keep to the rate of launches that an account has.
func TestDispatchersShareTheRateOfLaunches(t *testing.T) {
	for n, want := range map[int64]string{1: "19.5", 2: "9.75", 3: "6.5"} {
		c := definition(t, mustPlan(t, map[string]cty.Value{"dispatchers": cty.NumberIntVal(n)}), "aws_ecs_task_definition.dispatcher")
		if rate, _ := c.flag("fargate-launch-rate"); rate != want {
			t.Errorf("each of %d dispatchers may launch %s tasks a second", n, rate)
		}
	}
}
