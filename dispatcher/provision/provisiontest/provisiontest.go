// Package provisiontest is the contract of package provision in executable form:
// a suite that every implementation passes.
//
// The workers are real. They are the test's own binary, which the implementation
// under test starts in its own way, and which Main turns into a worker. Each
// worker, and each process it starts, keeps a connection to the suite: over it the
// suite gives orders, and when the kernel closes it, the process is dead. So
// nothing here sleeps or guesses.
//
//	func TestMain(m *testing.M) { provisiontest.Main(m) }
//
//	func TestContract(t *testing.T) {
//		provisiontest.Run(t, func(t *testing.T) provisiontest.Place { … })
//	}
package provisiontest

import (
	"testing"

	"multinode/dispatcher/provision"
)

// Place is where workers live: a folder, an engine, a cluster. It outlives the
// provisioners that are opened on it, as it outlives dispatchers.
type Place struct {
	// Open opens a provisioner, as a dispatcher does when it starts. At most
	// maxWorkers may live at a time; 0 means no limit.
	Open func(t *testing.T, maxWorkers int) provision.Provisioner
	// Intent returns what launches this test binary as the worker of the
	// execution. The suite adds variables to its environment.
	Intent func(t *testing.T, executionID string) provision.Intent
	// Impossible returns an intent that can never work.
	Impossible func(t *testing.T, executionID string) provision.Intent
	// Host is the address of this machine as workers see it; empty means
	// 127.0.0.1.
	Host string
	// EndedAreShownAgain is true for compute that remembers ended workers by itself,
	// and on which Stop cannot note that it swept one up: opened anew, a provisioner
	// may list it once more, as ended.
	EndedAreShownAgain bool
}

// Run runs the suite. Each test gets a place of its own from newPlace.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	placeIsKept := func(t *testing.T, b *bench) { placeIsKept(t, b, newBench(t, newPlace(t))) }
	tests := []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"launch starts a worker with its environment", launchStarts},
		{"launch again starts none", launchAgain},
		{"launch again after a restart starts none", launchAfterRestart},
		{"launch by many at once starts one", launchByMany},
		{"launch after the end starts none and repeats the notice", launchAfterEnd},
		{"launch refuses what can never work and leaves nothing", launchImpossible},
		{"launch refuses what is too much", launchWithoutCapacity},
		{"many workers at once", manyWorkers},
		{"the end of a worker is noticed", exitOfOwn},
		{"the end of an adopted worker is noticed", exitOfAdopted},
		{"an end while nobody looked is noticed", exitUnseen},
		{"a notice is repeated until the worker is stopped", exitRepeated},
		{"a killed worker is noticed", exitByKill},
		{"what a worker leaves behind is killed", leftovers},
		{"stop lets a worker end", stopGently},
		{"stop kills what does not end", stopHard},
		{"stop can be cut off and repeated", stopCutOff},
		{"stop with less grace overtakes", stopOvertakes},
		{"stop ends an adopted worker without a handle", stopAdopted},
		{"stop of what does not exist succeeds", stopUnknown},
		{"launch and stop at once leave nothing", stopWhileLaunched},
		{"list shows the living and the dead", listAll},
		{"close leaves workers running", closeLeaves},
		{"the place keeps its name and shares it with nobody", placeIsKept},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(t, newBench(t, newPlace(t))) })
	}
}
