package terraform

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What hashicorp/aws 6.66.0 says of the resources that are used here: their names, and
// no more. `terraform providers schema -json` says it of those that are added.
//
//go:embed schema.json
var schemaText []byte

// shape is what a block may hold.
type shape struct {
	// Attributes are "required" or "optional"; Computed ones can only be read.
	Attributes map[string]string `json:"attributes"`
	Computed   []string          `json:"computed"`
	Blocks     map[string]shape  `json:"blocks"`
	Required   bool              `json:"required"`
}

// schema is by resource, such as aws_lb or data.aws_vpc.
var schema = func() (s map[string]shape) {
	if err := json.Unmarshal(schemaText, &s); err != nil {
		panic(err)
	}
	return s
}()

// has tells whether the attribute can be read.
func (s shape) has(name string) bool {
	_, block := s.Blocks[name]
	return s.Attributes[name] != "" || block || slices.Contains(s.Computed, name)
}

// meta is what Terraform itself knows in every resource.
var meta = map[string]bool{"count": true, "for_each": true, "depends_on": true, "provider": true}

// checkShape returns what is in the block and not in the schema, or missing.
func checkShape(body *hclsyntax.Body, s shape, at string) (wrong []error) {
	for name, attribute := range body.Attributes {
		if s.Attributes[name] == "" && !meta[name] {
			wrong = append(wrong, fmt.Errorf("%s: %s has no argument %q", attribute.SrcRange, at, name))
		}
	}
	for name, kind := range s.Attributes {
		if kind == "required" && body.Attributes[name] == nil {
			wrong = append(wrong, fmt.Errorf("%s: %s needs the argument %q", body.SrcRange, at, name))
		}
	}
	seen := map[string]bool{}
	for _, block := range body.Blocks {
		name, inner := block.Type, block.Body
		if name == "lifecycle" {
			wrong = append(wrong, checkLifecycle(inner, s, at)...)
			continue
		}
		if name == "dynamic" {
			name, inner = block.Labels[0], inner.Blocks[0].Body
		}
		seen[name] = true
		if of, ok := s.Blocks[name]; ok {
			wrong = append(wrong, checkShape(inner, of, at+"."+name)...)
		} else {
			wrong = append(wrong, fmt.Errorf("%s: %s has no block %q", block.TypeRange, at, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Blocks)) {
		if s.Blocks[name].Required && !seen[name] {
			wrong = append(wrong, fmt.Errorf("%s: %s needs the block %q", body.SrcRange, at, name))
		}
	}
	return wrong
}

func checkLifecycle(body *hclsyntax.Body, s shape, at string) (wrong []error) {
	if attribute := body.Attributes["ignore_changes"]; attribute != nil {
		for _, v := range attribute.Expr.Variables() {
			if s.Attributes[v.RootName()] == "" {
				wrong = append(wrong, fmt.Errorf("%s: %s has no argument %q", attribute.SrcRange, at, v.RootName()))
			}
		}
	}
	return wrong
}
