package build

import (
	"errors"
	"testing"
)

// FuzzFunctions: what a project's code may write in place of the list of its functions
// is a list of functions that may be deployed, or the project's fault.
func FuzzFunctions(f *testing.F) {
	good := `{"functions":[{"function_name":"f","resource_spec":{"virtual_cpus":0.1,"memory_gbs":0.25,"max_concurrency":1},"execution_spec":{"max_retries":0,"timeout_seconds":60}}]}`
	for _, seed := range []string{good, "", "null", `{"functions":null}`, `{"functions":[{}]}`,
		`{"functions":[{"function_name":"f","execution_spec":{"timeout_seconds":1e300}}]}`, `{"functions":[{"function_name":"\u0000"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		functions, err := parseFunctions(document)
		var failure *Failure
		switch {
		case err != nil && !errors.As(err, &failure):
			t.Errorf("%q: %v", document, err)
		case err == nil && len(functions) == 0:
			t.Errorf("%q was taken for a project", document)
		}
		seen := map[string]bool{}
		for _, spec := range functions {
			if err := spec.Validate(); err != nil || seen[spec.Name] {
				t.Errorf("%q has the function %+v: %v", document, spec, err)
			}
			seen[spec.Name] = true
		}
	})
}
