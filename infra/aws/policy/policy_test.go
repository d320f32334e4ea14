package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	call    = regexp.MustCompile(`\b(ecs|sqs|cloudwatchlogs)\.([A-Z]\w+)Input\b`)
	actions = regexp.MustCompile(`(?m)^ *actions += \[(.*)\]$`)
)

func TestWhatIsCalledIsGrantedAndNoMore(t *testing.T) {
	// What passing roles and giving tags at creation need comes without a call.
	called := []string{"iam:PassRole", "ecs:TagResource"}
	files, _ := filepath.Glob("../../../dispatcher/provision/fargate/*.go")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			name := strings.Replace(m[1], "cloudwatchlogs", "logs", 1) + ":" + m[2]
			called = append(called, strings.Replace(name, "sqs:DeleteMessageBatch", "sqs:DeleteMessage", 1))
		}
	}
	text, err := os.ReadFile("main.tf")
	if err != nil {
		t.Fatal(err)
	}
	var granted []string
	for _, m := range actions.FindAllStringSubmatch(string(text), -1) {
		for one := range strings.SplitSeq(m[1], ", ") {
			granted = append(granted, strings.Trim(one, `"`))
		}
	}
	slices.Sort(called)
	slices.Sort(granted)
	if called = slices.Compact(called); !slices.Equal(called, granted) {
		t.Errorf("called:\n%v\ngranted:\n%v", called, granted)
	}
}
