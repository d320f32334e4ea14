package terraform

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// resource evaluates all instances of a resource.
func (p *Plan) resource(address string) (cty.Value, error) {
	block := p.module.resources[address]
	if block == nil {
		return cty.NilVal, fmt.Errorf("there is no %s", address)
	}
	if attribute := block.Body.Attributes["count"]; attribute != nil {
		count, err := p.evaluate(attribute.Expr, nil)
		if err != nil {
			return cty.NilVal, err
		}
		n, _ := count.AsBigFloat().Int64()
		made := make([]cty.Value, n)
		for i := range made {
			scope := map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(i))})}
			if made[i], err = p.instance(fmt.Sprintf("%s[%d]", address, i), address, scope); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(made), nil
	}
	attribute := block.Body.Attributes["for_each"]
	if attribute == nil {
		return p.instance(address, address, map[string]cty.Value{})
	}
	each, err := p.evaluate(attribute.Expr, nil)
	if err != nil {
		return cty.NilVal, err
	}
	made := map[string]cty.Value{}
	for key, value := range each.Elements() {
		scope := map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		if made[key.AsString()], err = p.instance(fmt.Sprintf("%s[%q]", address, key.AsString()), address, scope); err != nil {
			return cty.NilVal, err
		}
	}
	return cty.ObjectVal(made), nil
}

// instance is what the configuration says, and for the rest of the schema what is
// known or made up.
func (p *Plan) instance(instance, address string, scope map[string]cty.Value) (cty.Value, error) {
	kind := address[:strings.LastIndexByte(address, '.')]
	values, err := p.body(p.module.resources[address].Body, scope)
	if err != nil {
		return cty.NilVal, err
	}
	if kind == "data.aws_iam_policy_document" {
		values["json"] = policyJSON(values)
	}
	names := append([]string{}, schema[kind].Computed...)
	for name := range schema[kind].Attributes {
		names = append(names, name)
	}
	for _, name := range names {
		if v, ok := p.known(instance, name); ok {
			values[name] = v
		} else if _, ok := values[name]; !ok {
			values[name] = cty.StringVal(instance + "." + name)
		}
	}
	return cty.ObjectVal(values), nil
}

// body evaluates arguments; blocks become tuples of objects.
func (p *Plan) body(body *hclsyntax.Body, scope map[string]cty.Value) (map[string]cty.Value, error) {
	values, blocks := map[string]cty.Value{}, map[string][]cty.Value{}
	for name, attribute := range body.Attributes {
		if meta[name] {
			continue
		}
		v, err := p.evaluate(attribute.Expr, scope)
		if err != nil {
			return nil, err
		}
		values[name] = v
	}
	for _, block := range body.Blocks {
		if block.Type == "lifecycle" {
			for _, rule := range block.Body.Blocks {
				if err := p.holds(rule.Body, scope); err != nil {
					return nil, err
				}
			}
			continue
		}
		if err := p.block(block, scope, blocks); err != nil {
			return nil, err
		}
	}
	for name, made := range blocks {
		values[name] = cty.TupleVal(made)
	}
	return values, nil
}

// block adds what a block says, once, or as often as a dynamic one says.
func (p *Plan) block(block *hclsyntax.Block, scope map[string]cty.Value, into map[string][]cty.Value) error {
	if block.Type != "dynamic" {
		values, err := p.body(block.Body, scope)
		if err != nil {
			return err
		}
		into[block.Type] = append(into[block.Type], cty.ObjectVal(values))
		return nil
	}
	name := block.Labels[0]
	each, err := p.evaluate(block.Body.Attributes["for_each"].Expr, scope)
	if err != nil {
		return err
	}
	for key, value := range each.Elements() {
		inner := map[string]cty.Value{name: cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		for name, v := range scope {
			inner[name] = v
		}
		values, err := p.body(block.Body.Blocks[0].Body, inner)
		if err != nil {
			return err
		}
		into[name] = append(into[name], cty.ObjectVal(values))
	}
	return nil
}
