package fargate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"multinode/dispatcher/provision/fargate"
)

var input = regexp.MustCompile(`\b(ecs|sqs|cloudwatchlogs|ecr)\.([A-Z]\w+)Input\b`)

func TestAllThatIsCalledIsListed(t *testing.T) {
	// These come without a call.
	called := map[string]bool{"ecs:TagResource": true, "iam:PassRole": true}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range input.FindAllStringSubmatch(string(text), -1) {
			service := strings.Replace(m[1], "cloudwatchlogs", "logs", 1)
			called[service+":"+strings.TrimSuffix(m[2], "Batch")] = true // IAM knows no batches
		}
	}
	for action := range called {
		if !slices.Contains(fargate.Actions, action) {
			t.Errorf("%s is called and not listed", action)
		}
	}
	for _, action := range fargate.Actions {
		if !called[action] {
			t.Errorf("%s is listed and not called", action)
		}
	}
}
