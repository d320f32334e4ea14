package terraform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Check reports arguments and blocks that the provider does not know, those that it
// misses, and references to what does not exist.
func (m *Module) Check() error {
	var wrong []error
	for name, block := range m.resources {
		kind := name[:strings.LastIndexByte(name, '.')]
		s, ok := schema[kind]
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s: the schema of %s is not here", block.TypeRange, kind))
			continue
		}
		wrong = append(wrong, checkShape(block.Body, s, name)...)
	}
	for _, block := range m.all {
		switch block.Type {
		case "terraform":
		case "variable": // its type is no expression
			for _, rule := range block.Body.Blocks {
				wrong = append(wrong, m.checkReferences(rule.Body)...)
			}
		default:
			wrong = append(wrong, m.checkReferences(block.Body)...)
		}
	}
	return errors.Join(wrong...)
}

func (m *Module) checkReferences(body *hclsyntax.Body) (wrong []error) {
	for name, attribute := range body.Attributes {
		if name == "ignore_changes" {
			continue // names of arguments
		}
		for _, traversal := range attribute.Expr.Variables() {
			if err := m.checkReference(traversal); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", traversal.SourceRange(), err))
			}
		}
	}
	for _, block := range body.Blocks {
		if block.Type == "dynamic" {
			wrong = append(wrong, m.checkReferences(&hclsyntax.Body{Attributes: block.Body.Attributes})...)
			continue // its content knows more names; evaluation checks them
		}
		wrong = append(wrong, m.checkReferences(block.Body)...)
	}
	return wrong
}

func (m *Module) checkReference(t hcl.Traversal) error {
	names := steps(t)
	switch root := names[0]; root {
	case "each", "count", "path", "self":
		return nil
	case "var", "local", "module":
		if len(names) < 2 || root == "var" && m.variables[names[1]] == nil || root == "local" && m.locals[names[1]] == nil || root == "module" && m.calls[names[1]] == nil {
			return fmt.Errorf("there is no %s", strings.Join(names, "."))
		}
		return nil
	case "data":
		names = append([]string{"data." + names[1]}, names[2:]...)
	}
	if len(names) < 2 || m.resources[names[0]+"."+names[1]] == nil {
		return fmt.Errorf("there is no %s", strings.Join(names, "."))
	}
	if s, ok := schema[names[0]]; ok && len(names) > 2 && !s.has(names[2]) {
		return fmt.Errorf("%s.%s has no attribute %q", names[0], names[1], names[2])
	}
	return nil
}

// steps are the names of a reference, without indexes.
func steps(t hcl.Traversal) []string {
	names := []string{t.RootName()}
	for _, step := range t[1:] {
		if attribute, ok := step.(hcl.TraverseAttr); ok {
			names = append(names, attribute.Name)
		}
	}
	return names
}
