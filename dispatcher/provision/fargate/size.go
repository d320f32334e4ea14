package fargate

import (
	"fmt"
	"math"
)

// Size is what a task gets: CPU in units of 1/1024 virtual CPU, memory in MiB.
type Size struct{ CPU, Memory int }

// row is one CPU size of Fargate with the memory it may have, in MiB.
type row struct{ cpu, from, to, step int }

// table holds all rows of Fargate's sizes; the smallest CPU size doubles its
// memory instead of adding to it.
var table = []row{
	{256, 512, 2048, 0},
	{512, 1024, 4096, 1024},
	{1024, 2048, 8192, 1024},
	{2048, 4096, 16384, 1024},
	{4096, 8192, 30720, 1024},
	{8192, 16384, 61440, 4096},
	{16384, 32768, 122880, 8192},
}

// SizeFor returns the smallest size of Fargate that has at least the CPU, in
// virtual CPUs, and the memory, in GiB. The error says what the limit is.
func SizeFor(cpu, memoryGiB float64) (Size, error) {
	for _, r := range table {
		if float64(r.cpu) < cpu*1024 || float64(r.to) < memoryGiB*1024 {
			continue
		}
		return Size{r.cpu, r.memory(memoryGiB * 1024)}, nil
	}
	return Size{}, fmt.Errorf("%v CPUs with %v GiB of memory are more than a Fargate task can have: the limits are 16 CPUs and 120 GiB", cpu, memoryGiB)
}

// memory returns the least memory of the row that is at least mib.
func (r row) memory(mib float64) int {
	if mib <= float64(r.from) {
		return r.from
	}
	if r.step == 0 {
		return r.from << int(math.Ceil(math.Log2(mib/float64(r.from))))
	}
	return r.from + r.step*int(math.Ceil((mib-float64(r.from))/float64(r.step)))
}

// RoundedUp says, in words for people, what a function gets beyond what it asks
// for and will be charged for; it is empty where it gets just that.
func RoundedUp(cpu, memoryGiB float64) string {
	size, err := SizeFor(cpu, memoryGiB)
	if err != nil || float64(size.CPU) == cpu*1024 && float64(size.Memory) == memoryGiB*1024 {
		return ""
	}
	return fmt.Sprintf("%v CPUs and %v GiB are rounded up to a size of Fargate: %v CPUs and %v GiB are charged",
		cpu, memoryGiB, float64(size.CPU)/1024, float64(size.Memory)/1024)
}
