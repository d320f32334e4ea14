package aws_test

import (
	"fmt"
	"net/http"
	"testing"
)

// The real program starts with what the task definition gives it, and answers what
// the load balancer asks.
func TestTheGatewayStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	p := mustPlan(t, nil)
	c := definition(t, p, "aws_ecs_task_definition.gateway")
	nats := startNATS(t)
	if url, _ := c.flag("nats-url"); url != "nats://10.0.1.11:4222,nats://10.0.2.12:4222,nats://10.0.3.13:4222" {
		t.Errorf("NATS is at %s", url)
	}
	group := resource(t, p, "aws_lb_target_group.gateway")
	port, _ := group.GetAttr("port").AsBigFloat().Int64()
	if listen, _ := c.flag("listen"); listen != fmt.Sprintf("0.0.0.0:%d", port) || int64(*c.PortMappings[0].ContainerPort) != port {
		t.Errorf("it listens at %s, the load balancer asks port %d", listen, port)
	}
	local := c.with(t, "nats-url", nats.url).with(t, "listen", "127.0.0.1:0")
	var facts struct{ URL string }
	said, _ := start(t, program(t, "multinode"), nats.environment(t, p, c), append(local.Command, "--json")...)
	must(t, said.Decode(&facts))
	check := group.GetAttr("health_check").AsValueSlice()[0]
	for path, key := range map[string]string{check.GetAttr("path").AsString(): "", "/": "", "/projects": apiKey} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, facts.URL+path, nil)
		must(t, err)
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, answer.Status)
		}
	}
}
