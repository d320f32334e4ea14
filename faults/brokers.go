package main

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// disturbBrokers does to NATS servers what happens to machines, one at a time,
// until ctx ends. Of a cluster it leaves a majority: the next one is disturbed when
// all have caught up.
func (r *run) disturbBrokers(ctx context.Context) {
	for ctx.Err() == nil {
		wait(ctx, 3*time.Second+time.Duration(r.dice.next(5000))*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		b, what := r.victim(ctx)
		switch choice := r.dice.next(4); {
		case choice < 2 && r.network != nil:
			r.cutOff(ctx, b, what)
		case choice == 2:
			r.fault("restart of " + what)
			b.signal(syscall.SIGTERM)
			select {
			case <-b.gone():
			case <-time.After(stopPatience):
				b.kill()
			}
		default:
			r.fault("kill -9 of " + what)
			b.kill()
			wait(ctx, time.Duration(r.dice.next(3000))*time.Millisecond)
		}
		if !b.running() && !r.comeUp(context.WithoutCancel(ctx), b) {
			return
		}
		r.awaitCluster(ctx)
	}
}

// victim chooses a NATS server, and says what it is: every other time the leader of
// the records.
func (r *run) victim(ctx context.Context) (*server, string) {
	if len(r.brokers) > 1 && r.dice.next(2) == 0 {
		info, err := r.recordsInfo(ctx)
		if err == nil && info.Cluster != nil {
			i := slices.IndexFunc(r.brokers, func(b *server) bool { return strings.HasSuffix(b.name, strings.TrimLeft(info.Cluster.Leader, "nats-")) })
			if i >= 0 && info.Cluster.Leader != "" {
				return r.brokers[i], "the NATS server that leads the records"
			}
		}
	}
	return r.brokers[r.dice.next(len(r.brokers))], "a NATS server"
}

// cutOff takes a server from the network for a while.
func (r *run) cutOff(ctx context.Context, b *server, what string) {
	r.fault("network of " + what + " cut")
	i := slices.Index(r.brokers, b)
	if err := r.network.cut(ctx, i, true); err != nil {
		r.violation("the suite could not cut the network: %v", err)
	}
	wait(ctx, 5*time.Second+time.Duration(r.dice.next(15_000))*time.Millisecond)
	if err := r.network.cut(context.WithoutCancel(ctx), i, false); err != nil {
		r.violation("the suite could not mend the network: %v", err)
	}
}

func (r *run) recordsInfo(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	js, err := jetstream.New(r.nats)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, recordsStream)
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// wholePatience is how long servers may take until all have everything.
const wholePatience = 3 * time.Minute

// awaitCluster waits until all servers have all of the records.
func (r *run) awaitCluster(ctx context.Context) {
	for until := time.Now().Add(wholePatience); len(r.brokers) > 1 && ctx.Err() == nil; wait(ctx, 200*time.Millisecond) {
		info, err := r.recordsInfo(ctx)
		if err == nil && info.Cluster != nil && info.Cluster.Leader != "" && len(info.Cluster.Replicas) == len(r.brokers)-1 &&
			!slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline }) {
			return
		}
		if time.Now().After(until) {
			r.violation("the cluster was not whole again within %v: %v", wholePatience, err)
			return
		}
	}
}
