package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"multinode/wire"
)

type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct {
			Name     string `json:"name"`
			In       string `json:"in"`
			Required bool   `json:"required"`
		} `json:"parameters"`
		Responses map[string]struct {
			Description string `json:"description"`
		} `json:"responses"`
		Security []map[string][]string `json:"security"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func TestTheDocumentDescribesEveryRoute(t *testing.T) {
	table := routes(DefaultOptions())
	data, err := describe(table)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.") {
		t.Errorf("it is of version %q", d.OpenAPI)
	}
	ids := map[string]bool{}
	for _, r := range table {
		op, ok := d.Paths[r.path][strings.ToLower(r.method)]
		if !ok || op.OperationID != r.id || ids[r.id] {
			t.Errorf("%s %s is described as %+v", r.method, r.path, op)
		}
		ids[r.id] = true
		if (r.role != "") != (len(op.Security) == 1) {
			t.Errorf("%s %s: security %v with role %q", r.method, r.path, op.Security, r.role)
		}
		_, params := fiberPath(r.path)
		for _, want := range params {
			found := false
			for _, p := range op.Parameters {
				found = found || p.Name == want && p.In == "path" && p.Required
			}
			if !found {
				t.Errorf("%s %s: the parameter %s is missing", r.method, r.path, want)
			}
		}
		if _, ok := op.Responses["200"]; !ok {
			t.Errorf("%s %s: no answer is described", r.method, r.path)
		}
	}
	if paths := len(d.Paths); paths == 0 || len(ids) != len(table) {
		t.Errorf("%d paths, %d operations of %d", paths, len(ids), len(table))
	}
	for _, want := range []string{"InvocationInfo", "ExecutionInfo", "VersionDefinition", "LogEvent", "ValidationBody"} {
		if _, ok := d.Components.Schemas[want]; !ok {
			t.Errorf("the schema %s is missing", want)
		}
	}
	for name, schema := range d.Components.Schemas {
		if strings.HasPrefix(name, "Gateway") || strings.HasPrefix(name, "Wire") || strings.Contains(string(schema), "Wire") {
			t.Errorf("schema %s: %s", name, schema)
		}
	}
}

func TestEveryErrorOfTheContractBelongsToARoute(t *testing.T) {
	// These are part of the published client's table and of no path's.
	unused := map[*wire.Error]bool{
		wire.VersionAlreadyExists: true, wire.FunctionAlreadyExists: true, wire.ExecutionAlreadyExists: true,
		wire.ExecutionHasNotFinished: true,
	}
	given := map[*wire.Error]bool{wire.NotAuthenticated: true, wire.APIKeyIsInvalid: true}
	for _, r := range routes(DefaultOptions()) {
		for _, e := range r.errors {
			given[e] = true
		}
	}
	for _, e := range wire.Errors {
		if given[e] == unused[e] {
			t.Errorf("%s: given %t, unused %t", e.Name, given[e], unused[e])
		}
	}
}

func TestFiberPaths(t *testing.T) {
	path, params := fiberPath("/a/{b}/c/{d_e}")
	if path != "/a/:b/c/:d_e" || strings.Join(params, " ") != "b d_e" {
		t.Errorf("%s %v", path, params)
	}
	if path, params = fiberPath("/"); path != "/" || params != nil {
		t.Errorf("%s %v", path, params)
	}
}
