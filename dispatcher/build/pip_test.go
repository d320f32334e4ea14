package build

import (
	"strings"
	"testing"
)

func TestConflictHint(t *testing.T) {
	const takeOut = "The server installs the multinode package that fits it: take multinode out of requirements.txt."
	const ours = "    multinode 2.0 depends on jsonpickle<6 and >=4\n"
	for name, test := range map[string]struct{ said, want string }{
		"own": {
			"    The user requested multinode 2.0 (from /tmp/multinode-wheel-1/multinode-2.0-py3-none-any.whl)\n    The user requested multinode==1.0.1\n",
			takeOut,
		},
		"constraint": {"    The user requested (constraint) multinode<1\n", takeOut},
		"needed": {
			"    The user requested jsonpickle==3.0.0\n" + ours,
			"jsonpickle==3.0.0 in requirements.txt conflicts with jsonpickle<6 and >=4, which package multinode itself needs: loosen that line.",
		},
		"needed by another": {
			"    multinode 2.0 depends on httpx<1 and >=0.25\n" + ours + "    Some_Tool 1.2 depends on JSONPickle<3\n",
			"Some_Tool 1.2 needs JSONPickle<3, which conflicts with jsonpickle<6 and >=4, which package multinode itself needs: " +
				"loosen the line of requirements.txt that asks for some-tool.",
		},
		"not about multinode": {"    The user requested multinode-extras==1\n    multinode-extras 2 depends on x\n    y 1 depends on x>2\n", ""},
	} {
		var said tail
		for line := range strings.Lines("ERROR: Cannot install multinode and others because these package versions have conflicting dependencies.\n" +
			"The conflict is caused by:\n" + test.said) {
			said.add(strings.TrimSuffix(line, "\n"))
		}
		detail := pipFailure(said)
		last := strings.TrimSpace(test.said)
		if test.want != "" {
			last = test.want
		}
		if !strings.HasSuffix(detail, "\n"+last) && !strings.HasSuffix(detail, last) {
			t.Errorf("%s:\n%s\nwant at its end:\n%s", name, detail, last)
		}
	}
}
