package fargate_test

import (
	"testing"

	"multinode/dispatcher/provision/fargate"
)

func TestSizesAreRoundedUpToTheTable(t *testing.T) {
	tests := []struct {
		cpu, memory float64
		want        fargate.Size
	}{
		{0.1, 0.1, fargate.Size{CPU: 256, Memory: 512}},
		{0.25, 0.51, fargate.Size{CPU: 256, Memory: 1024}},
		{0.25, 1.5, fargate.Size{CPU: 256, Memory: 2048}},
		{0.25, 2.1, fargate.Size{CPU: 512, Memory: 3072}},
		{0.26, 0.5, fargate.Size{CPU: 512, Memory: 1024}},
		{0.5, 4, fargate.Size{CPU: 512, Memory: 4096}},
		{0.5, 4.5, fargate.Size{CPU: 1024, Memory: 5120}},
		{1, 1, fargate.Size{CPU: 1024, Memory: 2048}},
		{1, 8.1, fargate.Size{CPU: 2048, Memory: 9216}},
		{2, 16, fargate.Size{CPU: 2048, Memory: 16384}},
		{3, 1, fargate.Size{CPU: 4096, Memory: 8192}},
		{4, 30, fargate.Size{CPU: 4096, Memory: 30720}},
		{4, 30.5, fargate.Size{CPU: 8192, Memory: 32768}},
		{8, 17, fargate.Size{CPU: 8192, Memory: 20480}},
		{8, 60, fargate.Size{CPU: 8192, Memory: 61440}},
		{1, 64, fargate.Size{CPU: 16384, Memory: 65536}},
		{16, 33, fargate.Size{CPU: 16384, Memory: 40960}},
		{16, 120, fargate.Size{CPU: 16384, Memory: 122880}},
	}
	for _, test := range tests {
		if got, err := fargate.SizeFor(test.cpu, test.memory); got != test.want || err != nil {
			t.Errorf("%v CPUs, %v GiB: %v (%v), not %v", test.cpu, test.memory, got, err, test.want)
		}
	}
	for _, tooMuch := range [][2]float64{{16.1, 1}, {1, 120.1}} {
		if _, err := fargate.SizeFor(tooMuch[0], tooMuch[1]); err == nil {
			t.Errorf("%v fits", tooMuch)
		}
	}
	if fargate.RoundedUp(0.25, 0.5) != "" || fargate.RoundedUp(0.3, 0.5) == "" {
		t.Error("what is charged beyond what is asked for is told wrongly")
	}
}
