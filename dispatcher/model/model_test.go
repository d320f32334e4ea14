// Package model_test runs random histories against real dispatchers on a real
// server and holds what they stored against multinode.Next.
package model_test

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestHistories draws histories of starts, cancels, lost workers, crashed
// dispatchers and sweeps, plays each on a server of its own with several
// dispatchers, and checks after each that
//
//   - every revision of every record follows from the one before by events of
//     multinode.Next, the end is final, and a deleted record stays deleted,
//   - no function ever had more live executions than its quota,
//   - every accepted invocation has ended, in a state that its workers and its
//     cancels explain, with the result that its worker gave and its latest yield,
//   - nothing is undelivered or un-acked, no worker is left, and the index says
//     what the bucket says.
//
// Six histories take some ten seconds; go test ./dispatcher/model -rapid.checks=500
// plays more. The log says the seed: -rapid.seed=… draws the same histories
// again. What is drawn is all that happens, but who comes first among the
// processes is not drawn: a failure that depends on it may need several runs.
// Of a failure, the smallest history found is shown, at most -rapid.shrinktime
// after it.
func TestHistories(t *testing.T) {
	setUnlessGiven(t, "rapid.checks", "6")
	setUnlessGiven(t, "rapid.nofailfile", "true") // the seed says it all
	setUnlessGiven(t, "rapid.seed", strconv.FormatUint(rand.Uint64N(1<<62)+1, 10))
	seed := flag.Lookup("rapid.seed").Value.String()
	t.Logf("the histories are drawn with -rapid.seed=%s", seed)
	folder := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		h := histories.Draw(rt, "history")
		w := newWorld(rt, folder, h)
		defer w.close()
		w.play(h.Steps)
		w.finish()
		w.check()
	})
}

func setUnlessGiven(t *testing.T, name, value string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}
