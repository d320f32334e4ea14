package gateway

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"multinode/wire"
)

// Whatever comes in is either refused with complaints or fills the value; what
// was accepted comes back the same when it is sent again.
func FuzzFill(f *testing.F) {
	for _, seed := range []string{
		`{"input":"[[1],{}]","parent_invocation":{"function_name":"f","invocation_id":"inv-1"}}`,
		`{"default_docker_image":"i","functions":[{"function_name":"f","resource_spec":{"virtual_cpus":1,"memory_gbs":1e0,"max_concurrency":1.0},"execution_spec":{"max_retries":0,"timeout_seconds":1}}]}`,
		`{"mode":"create","bundle":"` + string(bytes.Repeat([]byte("0"), 64)) + `","environment":{"A":"b"}}`,
		`{"outcome":"FAILED","error_message":"x","final_output":null}`,
		`[]`, `null`, `{"input":1}`, `{"functions":[[]]}`, `{"input":{"":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	samples := []any{wire.InvocationDefinition{}, wire.VersionDefinition{}, wire.DeploymentDefinition{}, wire.ExecutionFinalResult{}, wire.ExecutionTemporaryResult{}}
	f.Fuzz(func(t *testing.T, data []byte) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) != nil {
			return
		}
		for _, sample := range samples {
			first := reflect.New(reflect.TypeOf(sample))
			if (fillFrom(first, value)) != nil {
				continue
			}
			sent, err := json.Marshal(first.Interface())
			if err != nil {
				t.Fatal(err)
			}
			decoder := json.NewDecoder(bytes.NewReader(sent))
			decoder.UseNumber()
			var again any
			second := reflect.New(reflect.TypeOf(sample))
			if err := decoder.Decode(&again); err != nil {
				t.Fatal(err)
			}
			if err := fillFrom(second, again); err != nil || !reflect.DeepEqual(first.Interface(), second.Interface()) {
				t.Fatalf("%s: %v", sent, err)
			}
		}
	})
}

func fillFrom(into reflect.Value, value any) error {
	f := filler{key: "json"}
	f.fill(into.Elem(), value, []any{"body"}, "")
	return f.err()
}
