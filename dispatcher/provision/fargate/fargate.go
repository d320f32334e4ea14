package fargate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/time/rate"

	"multinode"
	"multinode/dispatcher/provision"
)

// Kind is the kind in the handles of this package; their IDs are ARNs of tasks.
const Kind = "fargate"

// ErrClosed is returned by calls that were under way when Close was called.
var ErrClosed = errors.New("the Fargate provisioner is closed")

var (
	_ provision.Provisioner = (*Provisioner)(nil)
	_ provision.Finder      = (*Provisioner)(nil)
)

// stopRate is how many stops to ask for in a second; the account may have 40.
const stopRate = 30

// Provisioner runs workers as tasks of AWS Fargate. See New.
type Provisioner struct {
	options     Options
	ecs         *ecs.Client
	sqs         *sqs.Client
	logs        *cloudwatchlogs.Client
	turns       *turns
	reads       *rate.Limiter
	stops       *rate.Limiter
	registers   *rate.Limiter
	definitions definitions
	listing     listing

	exits chan provision.Exit
	life  context.Context
	close context.CancelFunc
	tasks sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	workers  map[string]*worker   // by execution ID, until stopped
	attempts map[string]*attempts // by execution ID, of launches that were refused
	reserved map[string]int       // launches under way
	stopped  map[string]time.Time // executions that are not to be launched again, until then
}

// New opens the cluster, finds the workers in it and watches them. When ctx ends
// before that is done, it fails.
func New(ctx context.Context, options Options) (*Provisioner, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	options.AWS = options.bounded()
	p := &Provisioner{
		options:   options,
		ecs:       ecs.NewFromConfig(options.AWS, func(o *ecs.Options) { o.Retryer = retryer() }),
		sqs:       sqs.NewFromConfig(options.AWS),
		logs:      cloudwatchlogs.NewFromConfig(options.AWS),
		turns:     newTurns(options),
		reads:     rate.NewLimiter(rate.Limit(options.ReadRate), 20),
		stops:     rate.NewLimiter(stopRate, 20),
		registers: rate.NewLimiter(0.9, 1),
		exits:     make(chan provision.Exit, 64),
		workers:   map[string]*worker{},
		attempts:  map[string]*attempts{},
		reserved:  map[string]int{},
		stopped:   map[string]time.Time{},
	}
	p.definitions.known = map[string]string{}
	p.life, p.close = context.WithCancel(context.Background())
	if err := p.find(ctx, true); err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("finding the workers in %s: %w", options.Cluster, failure(err))
	}
	p.tasks.Go(p.sweep)
	if options.QueueURL != "" {
		p.tasks.Go(p.hear)
	}
	return p, nil
}

// Exits implements provision.Provisioner.
func (p *Provisioner) Exits() <-chan provision.Exit { return p.exits }

// Place implements provision.Provisioner: the ARN of the cluster, which names
// account and region, and the installation.
func (p *Provisioner) Place() string {
	return Kind + ":" + p.options.Cluster + ":" + p.options.Installation
}

// Close implements provision.Provisioner. It never fails.
func (p *Provisioner) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.close()
	p.tasks.Wait()
	close(p.exits)
	return nil
}

// bound ends ctx when the provisioner is closed.
func (p *Provisioner) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

func (p *Provisioner) log(id string) *slog.Logger {
	return p.options.Logger.With(slog.String("execution_id", id))
}

func handle(arn string) multinode.Worker { return multinode.Worker{Kind: Kind, ID: arn} }
