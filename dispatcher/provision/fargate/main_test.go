package fargate_test

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/dispatcher/provision/provisiontest"
)

func TestMain(m *testing.M) { provisiontest.Main(m) }

func options(s *fakeecs.Server) fargate.Options {
	o := fargate.DefaultOptions(aws.Config{
		Region: fakeecs.Region, BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}, fakeecs.ClusterARN)
	o.Subnets = []string{"subnet-1"}
	o.ExecutionRole = "arn:aws:iam::" + fakeecs.Account + ":role/worker"
	o.LogGroup = fakeecs.LogGroup
	o.Sweep = 10 * time.Millisecond
	o.ReadRate = 1000
	o.LaunchRate = 1000
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

func serve(t *testing.T, o fakeecs.Options) *fakeecs.Server {
	t.Helper()
	s := fakeecs.New(o)
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, o fargate.Options) *fargate.Provisioner {
	t.Helper()
	p, err := fargate.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func newClock() *clockwork.FakeClock { return clockwork.NewFakeClockAt(time.Now()) }

func name(i int) string { return "exe-" + strconv.Itoa(i) }

func intent(id string) provision.Intent {
	return provision.Intent{
		ExecutionID: id, ExecutionKey: "p.g.f.i." + id, Project: "my project", Function: "f",
		CPU: 0.25, MemoryGiB: 0.5, Environment: map[string]string{}, Credentials: []byte("secret"),
		Image: "registry.example/app@sha256:0",
	}
}

// impatient lets the stop timeout of a task pass where a short grace is given,
// which the service does not know.
type impatient struct {
	provision.Provisioner
	server *fakeecs.Server
}

func (p impatient) Stop(ctx context.Context, id string, h multinode.Worker, grace time.Duration) error {
	if grace < time.Second {
		p.server.PassStopTimeout(id, 50*time.Millisecond)
	}
	return p.Provisioner.Stop(ctx, id, h, grace)
}

func TestContract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the fake finds the processes of a task in /proc")
	}
	provisiontest.Run(t, func(t *testing.T) provisiontest.Place {
		s := serve(t, fakeecs.Options{Run: fakeecs.Processes(os.Args[0])})
		installation := multinode.NewID("place")
		return provisiontest.Place{
			Open: func(t *testing.T, maxWorkers int) provision.Provisioner {
				o := options(s)
				o.MaxTasks, o.Installation = maxWorkers, installation
				// Not the test's own context: the suite opens one in its clean-up, too.
				p, err := fargate.New(context.Background(), o)
				if err != nil {
					t.Fatal(err)
				}
				return impatient{p, s}
			},
			Intent: func(_ *testing.T, id string) provision.Intent { return intent(id) },
			Impossible: func(_ *testing.T, id string) provision.Intent {
				i := intent(id)
				i.CPU = 32
				return i
			},
			EndedAreShownAgain: true,
		}
	})
}
