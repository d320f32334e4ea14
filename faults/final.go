package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"multinode"
	"multinode/client"
	"multinode/streams"
	"multinode/wire"
)

// few is the limit of the function that is started as often as it may be.
const few = 3

// finish brings the system to rest and looks for broken promises.
func (r *run) finish(ctx context.Context) {
	defer r.scanLogs()
	if r.over {
		return
	}
	s, err := r.rest(ctx)
	if err != nil {
		r.violation("%v", err)
		return
	}
	r.say("at rest: %d requests, %d changes of records", len(s.requests), len(s.history))
	r.freeSlots(ctx)
	if s, err = r.rest(ctx); err != nil {
		r.violation("%v", err)
		return
	}
	r.replay(s.history)
	if r.thorough {
		r.noStrays(ctx) // and it has forgotten much of what clients know
	} else {
		r.remembered(ctx, s)
	}
	r.nothingLeft(ctx)
	r.crashes.again()
	r.faults["killed at a fail point"] = r.crashes.earlier
}

// freeSlots starts more than may run at a time: as many as may have to run at once,
// and that no more do is seen in the history.
func (r *run) freeSlots(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, opPatience)
	defer cancel()
	var all []*started
	for range 2 * few {
		s, err := r.load.start(ctx, "occupies", 1)
		if err != nil {
			r.violation("a start after everything has ended: %v", err)
			continue
		}
		all = append(all, s)
	}
	running := map[string]bool{}
	for ctx.Err() == nil && len(running) < few {
		for _, s := range all {
			info, err := r.gateways[0].api.Invocation(ctx, s.invocation())
			if err == nil && info.Status == wire.StatusRunning {
				running[s.id] = true
			}
		}
		wait(ctx, breath)
	}
	if len(running) < few {
		r.violation("a slot leaked: only %d of occupies run though nothing else does, and %d may", len(running), few)
	}
	for _, s := range all {
		r.load.cancel(context.WithoutCancel(ctx), s)
	}
}

// results asks the API for every invocation and computes what it should say.
func (r *run) results(ctx context.Context, s stored) error {
	r.mu.Lock()
	known := r.all
	r.mu.Unlock()
	for _, q := range s.requests {
		i := client.Function{Project: q.key.Project, Name: q.key.Function}.Invocation(q.key.ID)
		info, err := asked(ctx, r.load, func(ctx context.Context) (wire.InvocationInfo, error) {
			return r.gateways[0].api.Invocation(ctx, i)
		})
		if err != nil {
			return fmt.Errorf("%s of %s: %w", q.key.ID, q.key.Function, err)
		}
		record := s.latest[q.key.ID].record
		if string(info.Status) != string(record.Status) {
			r.violation("the API says that %s of %s is %s, its record that it is %s", q.key.ID, q.key.Function, info.Status, record.Status)
		}
		function, cancelled := q.key.Function, record.CancelRequestedAt != nil
		if each := known[q.key.ID]; each != nil && each.function == malformed {
			function = malformed
		}
		want := ends(function)
		if record.Status != want && (!cancelled || record.Status != multinode.Cancelled) {
			said := ""
			if info.ErrorMessage != nil {
				said = *info.ErrorMessage
			}
			r.violation("%s of %s ended as %s (%d failed attempts: %s), not as %s", q.key.ID, q.key.Function, record.Status, record.FailedAttempts(), said, want)
			continue
		}
		if record.Status != multinode.Succeeded {
			continue
		}
		wanted, err := result(function, q.body)
		if err != nil {
			return err
		}
		if info.Output == nil || *info.Output != wanted {
			r.violation("%s of %s returned %v for %s, not %s", q.key.ID, q.key.Function, text(info.Output), q.body, wanted)
		}
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

// lists holds the API's lists, which come from the index, against the records.
func (r *run) lists(ctx context.Context, s stored) error {
	versions, err := asked(ctx, r.load, func(ctx context.Context) (wire.VersionsListForProject, error) {
		return r.gateways[0].api.Versions(ctx, projectName)
	})
	if err != nil {
		return err
	}
	listed := map[string]wire.Status{}
	for _, v := range versions.Versions {
		info, err := asked(ctx, r.load, func(ctx context.Context) (wire.VersionInfo, error) {
			return r.gateways[0].api.Version(ctx, projectName, v.VersionID)
		})
		if err != nil {
			return err
		}
		for _, f := range info.Functions {
			options := client.ListOptions{}
			for more := true; more; {
				function := client.Function{Project: projectName, Version: v.VersionID, Name: f.FunctionName}
				page, err := asked(ctx, r.load, func(ctx context.Context) (wire.InvocationsListForFunction, error) {
					return r.gateways[0].api.Invocations(ctx, function, options)
				})
				if err != nil {
					return err
				}
				for _, each := range page.Invocations {
					if _, twice := listed[each.InvocationID]; twice {
						r.violation("%s is listed twice", each.InvocationID)
					}
					listed[each.InvocationID] = each.Status
				}
				if more = page.NextOffset != nil; more {
					options.Offset = *page.NextOffset
				}
			}
		}
	}
	count := 0
	for id, c := range s.latest {
		if c.key.Project != projectName {
			r.violation("%s of the undeployed project %s has a record", id, c.key.Project)
			continue
		}
		count++
		if status := listed[id]; string(status) != string(c.record.Status) && c.record.Version != "" {
			r.violation("%s of %s is listed as %q, its record says %q", id, c.key.Function, status, c.record.Status)
		}
	}
	if len(listed) > count {
		r.violation("%d invocations are listed, and there are %d records", len(listed), count)
	}
	return nil
}

// outcomes holds the records against what was stored as the executions' outcomes.
func (r *run) outcomes(ctx context.Context, s stored) {
	store, err := streams.Open(ctx, r.nats, streams.Options{})
	if err != nil {
		r.violation("the outcomes cannot be looked at: %v", err)
		return
	}
	defer store.Close()
	for _, c := range s.latest {
		for _, x := range c.record.Executions {
			outcome, _, err := store.Outcome(ctx, c.key.Execution(x.ID))
			if err != nil {
				r.violation("the outcome of %s of %s: %v", x.ID, c.key.ID, err)
				continue
			}
			unasked := outcome.Kind == multinode.OutcomeCancelled && x.Outcome == multinode.OutcomeFailed
			if outcome.Kind != x.Outcome && !unasked {
				r.violation("%s of %s ended as %s, its outcome is %s", x.ID, c.key.ID, x.Outcome, outcome.Kind)
			}
		}
	}
}

// goPatience is how long the last workers may take to end. Those that the reaper has to
// find wait for its next round, a minute after the last.
const goPatience = 4 * time.Minute

// nothingLeft looks at the process table and at the workers' folders.
func (r *run) nothingLeft(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goPatience)
	defer cancel()
	for {
		var left []string
		for _, p := range processes(r.id) {
			if !p.server(r.gateways[0].path) {
				left = append(left, fmt.Sprintf("process %d lives on: %s", p.pid, strings.Join(p.command, " ")))
			}
		}
		for _, d := range r.dispatchers {
			folders, _ := os.ReadDir(filepath.Join(d.data, "workers"))
			for _, folder := range folders {
				left = append(left, "the folder of the worker "+folder.Name()+" is there")
			}
		}
		if len(left) == 0 {
			return
		}
		if ctx.Err() != nil {
			r.violation("nothing runs any more, and %s", strings.Join(left, ", "))
			return
		}
		wait(ctx, 100*time.Millisecond)
	}
}

// killAll ends all processes of a run.
func killAll(id string) {
	for range 10 {
		left := processes(id)
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
