package docker

import (
	"context"
	"fmt"
	"sync"

	"multinode/dispatcher/provision"
)

// room is what launches under way are going to take.
type room struct {
	mu       sync.Mutex
	reserved map[string]size // by execution ID
}

// reserve sees to it that there is room for the worker, and returns what ends the
// reservation: by then the container counts, or there is none.
func (p *Provisioner) reserve(ctx context.Context, intent provision.Intent) (func(), error) {
	o, want, id := p.options, p.size(intent), intent.ExecutionID
	if o.MaxWorkers == 0 && o.CPUs == 0 && o.MemoryGiB == 0 {
		return func() {}, nil
	}
	if o.MemoryGiB > 0 && want.memory > gib(o.MemoryGiB) {
		return nil, permanent(fmt.Errorf("the function wants %g GiB of memory, and all workers of this server together may have %g GiB", intent.MemoryGiB, o.MemoryGiB))
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	containers, err := p.containers(ctx)
	if err != nil {
		return nil, err
	}
	workers, used := 0, size{}
	add := func(s size) {
		workers++
		used.nanoCPUs += s.nanoCPUs
		used.memory += s.memory
	}
	counted := map[string]bool{}
	for _, c := range containers {
		if alive(c.State) && c.execution() != id {
			counted[c.execution()] = true
			add(size{c.number(labelCPU), c.number(labelMemory)})
		}
	}
	for other, s := range p.room.reserved {
		if !counted[other] {
			add(s)
		}
	}
	switch {
	case o.MaxWorkers > 0 && workers >= o.MaxWorkers:
		return nil, full(fmt.Errorf("all %d workers that this server may run are in use", o.MaxWorkers))
	case o.CPUs > 0 && used.nanoCPUs+want.nanoCPUs > int64(o.CPUs*1e9):
		return nil, full(fmt.Errorf("%g of the %g CPUs that workers may use are in use, and the function wants %g", float64(used.nanoCPUs)/1e9, o.CPUs, float64(want.nanoCPUs)/1e9))
	case o.MemoryGiB > 0 && used.memory+want.memory > gib(o.MemoryGiB):
		return nil, full(fmt.Errorf("%.3g of the %g GiB of memory that workers may use are in use, and the function wants %g", float64(used.memory)/(1<<30), o.MemoryGiB, intent.MemoryGiB))
	}
	if p.room.reserved == nil {
		p.room.reserved = map[string]size{}
	}
	p.room.reserved[id] = want
	return func() {
		p.room.mu.Lock()
		defer p.room.mu.Unlock()
		delete(p.room.reserved, id)
	}, nil
}
