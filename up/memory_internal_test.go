package up

import (
	"slices"
	"testing"
)

func TestMemoryIsGivenBackOnceAfterEachBurst(t *testing.T) {
	b, total := burst{under: true}, uint64(0)
	var ends []int
	for i, step := range []uint64{5, 5, memoryBusy, 3 * memoryBusy, memoryBusy - 1, 0, memoryBusy, 0, 5} {
		if total += step; b.over(total) {
			ends = append(ends, i)
		}
	}
	if !slices.Equal(ends, []int{0, 4, 7}) {
		t.Errorf("bursts ended at %v", ends)
	}
	if allocated() == 0 {
		t.Error("it is not known how much is allocated")
	}
}
