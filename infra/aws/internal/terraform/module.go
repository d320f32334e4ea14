// Package terraform reads Terraform modules, and evaluates them without providers,
// for the tests of those that are here: what a provider would make up is made up.
package terraform

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Module is all the .tf files of a folder.
type Module struct {
	// Dir is the folder.
	Dir string

	variables, resources, outputs, calls map[string]*hclsyntax.Block
	locals                               map[string]hclsyntax.Expression
	all                                  []*hclsyntax.Block
}

// Load reads the files of a folder.
func Load(dir string) (*Module, error) {
	m := &Module{
		Dir: dir, variables: map[string]*hclsyntax.Block{}, resources: map[string]*hclsyntax.Block{}, outputs: map[string]*hclsyntax.Block{},
		calls: map[string]*hclsyntax.Block{}, locals: map[string]hclsyntax.Expression{},
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("there are no .tf files in %s: %w", dir, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, diagnostics := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			if err := m.add(block); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *Module) add(block *hclsyntax.Block) error {
	m.all = append(m.all, block)
	into, name := map[string]*hclsyntax.Block(nil), strings.Join(block.Labels, ".")
	switch block.Type {
	case "variable":
		into = m.variables
	case "resource":
		into = m.resources
	case "data":
		into, name = m.resources, "data."+name
	case "output":
		into = m.outputs
	case "module":
		into = m.calls
	case "locals":
		for name, attribute := range block.Body.Attributes {
			if m.locals[name] != nil {
				return fmt.Errorf("%s: local.%s is there twice", attribute.SrcRange, name)
			}
			m.locals[name] = attribute.Expr
		}
		return nil
	case "terraform", "provider":
		return nil
	default:
		return fmt.Errorf("%s: there is no block %q", block.TypeRange, block.Type)
	}
	if into[name] != nil {
		return fmt.Errorf("%s: %s %s is there twice", block.TypeRange, block.Type, name)
	}
	into[name] = block
	return nil
}
