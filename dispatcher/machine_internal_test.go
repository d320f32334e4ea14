package dispatcher

import (
	"testing"

	"multinode"
)

// A machine is lost: its dispatcher and its workers are gone, and nobody saw it. Another
// machine takes over when the lease has run out, and calls the workers lost by their
// silence. What has a try left runs there, and what has none has failed.
func TestAMachineIsLost(t *testing.T) {
	b := newBench(t) // whose function has two tries
	k := b.accept()
	first, second, third := newCompute("first"), newCompute("second"), newCompute("third")

	lost := b.begun(b.dispatcher(first))
	b.running(lost, "w")
	for _, next := range []struct {
		machine *compute
		status  multinode.Status
	}{{second, multinode.Pending}, {third, multinode.Failed}} {
		crash(t, lost)
		taken := b.begun(b.dispatcher(next.machine))
		if taken.execution != lost.execution || next.machine.launches() != 0 {
			t.Fatalf("%s did not take it over", next.machine.place)
		}
		if done, err := b.pass(taken, multinode.LostAfter, nil); done || err != nil {
			t.Fatalf("%s was too quick: %v", next.machine.place, err)
		}
		if done, err := b.pass(taken, multinode.RenewInterval, nil); !done || err != nil {
			t.Fatalf("%s waits still: %v", next.machine.place, err)
		}
		record := b.record(k)
		if record.Status != next.status || record.Executions[len(record.Executions)-1].Outcome != multinode.OutcomeLost {
			t.Fatalf("%+v", record)
		}
		if record.Status == multinode.Pending {
			lost = b.begun(b.dispatcher(next.machine))
			b.running(lost, "w")
			if next.machine.launches() != 1 {
				t.Fatal("it was not tried again")
			}
		}
	}
}
