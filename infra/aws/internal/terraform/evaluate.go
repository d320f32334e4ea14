package terraform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Plan is a module with values for its variables.
type Plan struct {
	module *Module
	inputs map[string]cty.Value
	// known returns what a provider says of an instance, such as aws_lb.api or
	// aws_instance.nats["1"]; false has it made up.
	known func(address, attribute string) (cty.Value, bool)
	// values are by address: var.x, local.x, aws_lb.api.
	values map[string]cty.Value
	busy   map[string]bool
}

// Evaluate returns the plan of the module, after evaluating all of it: an error
// tells also of conditions that do not hold.
func (m *Module) Evaluate(inputs map[string]cty.Value, known func(address, attribute string) (cty.Value, bool)) (*Plan, error) {
	p := &Plan{module: m, inputs: inputs, known: known, values: map[string]cty.Value{}, busy: map[string]bool{}}
	var wrong []error
	look := func(address string) {
		if _, err := p.value(address); err != nil {
			wrong = append(wrong, err)
		}
	}
	for name := range inputs {
		if m.variables[name] == nil {
			wrong = append(wrong, fmt.Errorf("there is no variable %s", name))
		}
	}
	for name := range m.variables {
		look("var." + name)
	}
	for name := range m.locals {
		look("local." + name)
	}
	for name := range m.resources {
		look(name)
	}
	for name := range m.outputs {
		if _, err := p.Output(name); err != nil {
			wrong = append(wrong, err)
		}
	}
	return p, errors.Join(wrong...)
}

// Output returns what the module gives back.
func (p *Plan) Output(name string) (cty.Value, error) {
	block := p.module.outputs[name]
	if block == nil {
		return cty.NilVal, fmt.Errorf("there is no output %s", name)
	}
	return p.evaluate(block.Body.Attributes["value"].Expr, nil)
}

// Resource returns what has been made of a resource: an object, a tuple of them
// where it has a count, an object of them where it has a for_each.
func (p *Plan) Resource(address string) (cty.Value, error) { return p.value(address) }

func (p *Plan) value(address string) (cty.Value, error) {
	if v, ok := p.values[address]; ok {
		return v, nil
	}
	if p.busy[address] {
		return cty.NilVal, fmt.Errorf("%s depends on itself", address)
	}
	p.busy[address] = true
	defer delete(p.busy, address)
	var v cty.Value
	var err error
	kind, name, _ := strings.Cut(address, ".")
	switch kind {
	case "var":
		v, err = p.variable(name)
	case "local":
		expression := p.module.locals[name]
		if expression == nil {
			return cty.NilVal, fmt.Errorf("there is no %s", address)
		}
		v, err = p.evaluate(expression, nil)
	default:
		v, err = p.resource(address)
	}
	if err != nil {
		return cty.NilVal, err
	}
	p.values[address] = v
	return v, nil
}

// variable is its input or its default, of its type.
func (p *Plan) variable(name string) (cty.Value, error) {
	block := p.module.variables[name]
	if block == nil {
		return cty.NilVal, fmt.Errorf("there is no variable %s", name)
	}
	kind, _, diagnostics := typeexpr.TypeConstraintWithDefaults(block.Body.Attributes["type"].Expr)
	if diagnostics.HasErrors() {
		return cty.NilVal, diagnostics
	}
	v, given := p.inputs[name]
	if !given {
		attribute := block.Body.Attributes["default"]
		if attribute == nil {
			return cty.NilVal, fmt.Errorf("the variable %s is not set", name)
		}
		if v, diagnostics = attribute.Expr.Value(nil); diagnostics.HasErrors() {
			return cty.NilVal, diagnostics
		}
	}
	v, err := convert.Convert(v, kind)
	if err != nil {
		return cty.NilVal, fmt.Errorf("the variable %s: %w", name, err)
	}
	for _, rule := range block.Body.Blocks {
		scope := map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: v})}
		if err := p.holds(rule.Body, scope); err != nil {
			return cty.NilVal, err
		}
	}
	return v, nil
}

// holds returns the message of a condition that does not.
func (p *Plan) holds(rule *hclsyntax.Body, scope map[string]cty.Value) error {
	v, err := p.evaluate(rule.Attributes["condition"].Expr, scope)
	if err != nil {
		return err
	}
	if v.False() {
		message, _ := rule.Attributes["error_message"].Expr.Value(nil)
		return errors.New(message.AsString())
	}
	return nil
}

// evaluate finds everything that the expression refers to, but for the scope.
func (p *Plan) evaluate(expression hcl.Expression, scope map[string]cty.Value) (cty.Value, error) {
	names := map[string]map[string]cty.Value{}
	inner := map[string]map[string]cty.Value{} // data.TYPE.NAME
	for _, traversal := range expression.Variables() {
		path := steps(traversal)
		if _, scoped := scope[path[0]]; scoped {
			continue
		}
		if path[0] == "path" {
			names["path"] = map[string]cty.Value{"module": cty.StringVal(p.module.Dir)}
			continue
		}
		address, into := path[0]+"."+path[1], names
		if path[0] == "data" {
			address, into, path = strings.Join(path[:3], "."), inner, path[1:]
		}
		v, err := p.value(address)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", traversal.SourceRange(), err)
		}
		if into[path[0]] == nil {
			into[path[0]] = map[string]cty.Value{}
		}
		into[path[0]][path[1]] = v
	}
	context := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{}}
	for name, v := range names {
		context.Variables[name] = cty.ObjectVal(v)
	}
	data := map[string]cty.Value{}
	for name, v := range inner {
		data[name] = cty.ObjectVal(v)
	}
	context.Variables["data"] = cty.ObjectVal(data)
	for name, v := range scope {
		context.Variables[name] = v
	}
	v, diagnostics := expression.Value(context)
	if diagnostics.HasErrors() {
		return cty.NilVal, diagnostics
	}
	return v, nil
}
