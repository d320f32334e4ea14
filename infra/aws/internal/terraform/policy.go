package terraform

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Policy is a document of IAM.
type Policy struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement allows actions.
type Statement struct {
	Effect    string                         `json:"Effect"`
	Action    []string                       `json:"Action"`
	Resource  []string                       `json:"Resource,omitempty"`
	Principal map[string][]string            `json:"Principal,omitempty"`
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
}

// policyJSON is what the provider makes of the blocks of an aws_iam_policy_document.
func policyJSON(values map[string]cty.Value) cty.Value {
	policy := Policy{Version: "2012-10-17"}
	for _, one := range elements(values["statement"]) {
		s := Statement{Effect: "Allow", Action: texts(one, "actions"), Resource: texts(one, "resources")}
		for _, principal := range elements(attribute(one, "principals")) {
			s.Principal = map[string][]string{attribute(principal, "type").AsString(): texts(principal, "identifiers")}
		}
		for _, condition := range elements(attribute(one, "condition")) {
			if s.Condition == nil {
				s.Condition = map[string]map[string][]string{}
			}
			s.Condition[attribute(condition, "test").AsString()] = map[string][]string{attribute(condition, "variable").AsString(): texts(condition, "values")}
		}
		policy.Statement = append(policy.Statement, s)
	}
	text, _ := json.Marshal(policy)
	return cty.StringVal(string(text))
}

func attribute(v cty.Value, name string) cty.Value {
	if !v.Type().HasAttribute(name) {
		return cty.EmptyTupleVal
	}
	return v.GetAttr(name)
}

func elements(v cty.Value) (list []cty.Value) {
	if v == cty.NilVal {
		return nil
	}
	return v.AsValueSlice()
}

func texts(v cty.Value, name string) (list []string) {
	for _, one := range elements(attribute(v, name)) {
		list = append(list, one.AsString())
	}
	return list
}

// Allows tells whether the policy grants an action on a resource, in a context of
// condition keys. It knows the tests that are used here.
func (p Policy) Allows(action, resource string, context map[string]string) bool {
	return slices.ContainsFunc(p.Statement, func(s Statement) bool {
		like := func(pattern string) bool { return matches(pattern, resource) }
		return slices.Contains(s.Action, action) && slices.ContainsFunc(s.Resource, like) && s.holds(context)
	})
}

func (s Statement) holds(context map[string]string) bool {
	for test, conditions := range s.Condition {
		for key, values := range conditions {
			value, known := context[key]
			like := func(pattern string) bool { return pattern == value || test == "ArnEquals" && matches(pattern, value) }
			if test != "ArnEquals" && test != "StringEquals" || !known || !slices.ContainsFunc(values, like) {
				return false
			}
		}
	}
	return true
}

// matches compares with a pattern in which a star is anything.
func matches(pattern, text string) bool {
	expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	ok, err := regexp.MatchString("^"+expression+"$", text)
	return ok && err == nil
}
