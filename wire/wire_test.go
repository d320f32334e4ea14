package wire_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"multinode"
	"multinode/wire"
)

func TestErrorsCanBeToldApart(t *testing.T) {
	names := map[string]bool{}
	for _, e := range wire.Errors {
		if wire.Find(e.Status, e.Detail) != e {
			t.Errorf("%s is not found by its status and text", e.Name)
		}
		if names[e.Name] || e.Error() != e.Detail {
			t.Errorf("%s: %q", e.Name, e.Error())
		}
		names[e.Name] = true
	}
	if wire.Find(404, "The API key is invalid") != nil || wire.Find(403, "") != nil {
		t.Error("something else is found as an error of the contract")
	}
}

// Absent optionals are present as null: no field of an answer is left out.
func TestOptionalsAreNull(t *testing.T) {
	for _, answer := range []any{
		wire.ProjectInfo{}, wire.VersionInfo{}, wire.FunctionInfo{}, wire.InvocationInfo{}, wire.InvocationSummary{}, wire.ParentInvocationInfo{},
		wire.InvocationsListForFunction{}, wire.ExecutionSummary{}, wire.ExecutionInfo{}, wire.ExecutionLogs{},
	} {
		data, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(data, &object); err != nil {
			t.Fatal(err)
		}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(answer)) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous {
				continue
			}
			if _, ok := object[name]; !ok || options != "" || f.Tag.Get("required") != "true" {
				t.Errorf("%T: %s", answer, f.Name)
			}
		}
	}
}

// The words and bounds of the wire are those of the vocabulary.
func TestWordsAndBounds(t *testing.T) {
	for _, s := range wire.Status("").Enum() {
		status := s.(wire.Status)
		if status.Terminal() != multinode.Status(status).Terminal() {
			t.Errorf("%s", status)
		}
	}
	bounds := map[string][2]any{
		"input": {wire.InvocationDefinition{}, multinode.MaxInput}, "latest_output": {wire.ExecutionTemporaryResult{}, multinode.MaxOutput},
		"final_output": {wire.ExecutionFinalResult{}, multinode.MaxOutput}, "error_message": {wire.ExecutionFinalResult{}, multinode.MaxErrorMessage},
		"function_name": {wire.FunctionSpec{}, multinode.MaxFunctionName}, "docker_image_override": {wire.FunctionSpec{}, multinode.MaxImageName},
		"default_docker_image": {wire.VersionDefinition{}, multinode.MaxImageName},
	}
	for name, c := range bounds {
		if got := tag(c[0], name, "maxLength"); got != text(c[1]) {
			t.Errorf("%s: %s, want %v", name, got, c[1])
		}
	}
	numbers := map[string][2]any{
		"virtual_cpus": {wire.ResourceSpec{}, multinode.MaxCPU}, "memory_gbs": {wire.ResourceSpec{}, multinode.MaxMemoryGiB},
		"max_concurrency": {wire.ResourceSpec{}, multinode.MaxConcurrency}, "max_retries": {wire.ExecutionSpec{}, multinode.MaxRetries},
		"timeout_seconds": {wire.ExecutionSpec{}, int(multinode.MaxTimeout.Seconds())},
	}
	for name, c := range numbers {
		if got := tag(c[0], name, "maximum"); got != text(c[1]) {
			t.Errorf("%s: %s, want %v", name, got, c[1])
		}
	}
}

func tag(of any, field, name string) string {
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
		if f.Tag.Get("json") == field {
			return f.Tag.Get(name)
		}
	}
	return ""
}

func text(number any) string {
	data, _ := json.Marshal(number) // a number
	return string(data)
}
