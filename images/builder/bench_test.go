package builder_test

import (
	"fmt"
	"testing"
)

// The benchmarks change the code only: from the order to the report, with the
// environment fetched from a registry on loopback, as in a container that is new.

func BenchmarkCodeOnly(b *testing.B) {
	h := newHub(b)
	codeOnly(b, h, func(c *control) {
		_, err := run(b, c)
		must(b, err)
	})
}

func BenchmarkCodeOnlyInAContainer(b *testing.B) {
	w := newWorkshop(b)
	codeOnly(b, w.hub, func(c *control) { w.build(b, c) })
}

func codeOnly(b *testing.B, h *hub, build func(*control)) {
	b.Helper()
	files := func(i int) map[string]string {
		return map[string]string{"main.py": fmt.Sprintf("%s# %d\n", simple, i), "requirements.txt": "idna\n"}
	}
	build(h.ordered(b, files(-1)))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		c := h.ordered(b, files(i))
		b.StartTimer()
		build(c)
		if c.report.Image == "" {
			b.Fatalf("%+v\n%s", c.report, c.said())
		}
	}
}
