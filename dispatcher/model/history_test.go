package model_test

import (
	"fmt"

	"pgregory.net/rapid"
)

// history is all that is drawn of one run.
type history struct {
	// Dispatchers work at a time.
	Dispatchers int
	// Concurrency and Retries are those of the functions.
	Concurrency, Retries []int
	// Clocked histories have a clock that runs ahead of the real one, and workers
	// that only it can end. Their leases live as long as they do in earnest, and so
	// their dispatchers do not crash.
	Clocked bool
	// AckWait is the life of a lease in milliseconds. It is far shorter than the
	// renewals are apart, so that whatever takes longer is delivered again while
	// its first owner still works on it.
	AckWait int
	Steps   []step
}

type action string

const (
	start   action = "start"
	cancel  action = "cancel"
	release action = "release" // what holds on may end
	await   action = "await"   // waits for the end
	lose    action = "lose"    // the worker dies
	crash   action = "crash"   // a dispatcher dies without a word, and another comes
	restart action = "restart" // a dispatcher gives its leases back, and another comes
	sweep   action = "sweep"   // what has ended is deleted
	imposer action = "imposer" // a second worker claims the execution
)

// step is one action. Of is the number of an invocation or of a dispatcher,
// counted round.
type step struct {
	Do action
	Of int
	// These are of a start: the function, the parent's number or -1, and what its
	// workers do, in the order of the launches; those beyond succeed.
	Function, Parent int
	Script           []behaviour
}

func (s step) String() string {
	if s.Do != start {
		return fmt.Sprintf("%s %d", s.Do, s.Of)
	}
	return fmt.Sprintf("start of function %d by %d: %v", s.Function, s.Parent, s.Script)
}

// behaviour is what becomes of one launch.
type behaviour string

const (
	succeeds  behaviour = "succeeds"
	fails     behaviour = "fails"
	timesOut  behaviour = "times out"
	vanishes  behaviour = "vanishes" // ends without an outcome
	starves   behaviour = "starves"  // of memory
	stillborn behaviour = "stillborn"
	repeats   behaviour = "repeats"  // puts a second outcome after the first
	holds     behaviour = "holds"    // until it is released or interrupted
	persists  behaviour = "persists" // as holds, but returns a result when interrupted

	// These are of clocked histories; in others they hold.
	silent   behaviour = "silent"   // says nothing, and hears nothing
	stubborn behaviour = "stubborn" // goes on whatever it is told
	overruns behaviour = "overruns" // does not time itself

	noCapacity behaviour = "no capacity"
	notNow     behaviour = "not now"
	never      behaviour = "never"
)

var behaviours = []behaviour{
	succeeds, succeeds, fails, fails, timesOut, vanishes, starves, stillborn, repeats,
	holds, holds, holds, persists, silent, stubborn, overruns, noCapacity, notNow, never,
}

var actions = []action{
	start, start, start, start, start, start, start, cancel, cancel, release, await, lose, lose,
	crash, restart, sweep, imposer,
}

var steps = rapid.Custom(func(t *rapid.T) step {
	s := step{Do: rapid.SampledFrom(actions).Draw(t, "do"), Of: rapid.IntRange(0, 19).Draw(t, "of")}
	if s.Do == start {
		s.Function = rapid.IntRange(0, functions-1).Draw(t, "function")
		s.Parent = rapid.IntRange(-1, 9).Draw(t, "parent")
		s.Script = rapid.SliceOfN(rapid.SampledFrom(behaviours), 0, 4).Draw(t, "script")
	}
	return s
})

// functions is how many there are.
const functions = 2

var histories = rapid.Custom(func(t *rapid.T) history {
	return history{
		Clocked:     rapid.IntRange(0, 2).Draw(t, "clocked") == 2,
		Dispatchers: rapid.IntRange(1, 3).Draw(t, "dispatchers"),
		Concurrency: rapid.SliceOfN(rapid.IntRange(1, 4), functions, functions).Draw(t, "concurrency"),
		Retries:     rapid.SliceOfN(rapid.IntRange(0, 2), functions, functions).Draw(t, "retries"),
		AckWait:     rapid.SampledFrom([]int{3000, 700}).Draw(t, "ack wait"),
		Steps:       rapid.SliceOfN(steps, 1, 40).Draw(t, "steps"),
	}
})
