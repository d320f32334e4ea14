package terraform_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"multinode/infra/aws/internal/terraform"
)

func load(t *testing.T, text string) (*terraform.Module, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return terraform.Load(dir)
}

const right = `
variable "name" {
  type    = string
  default = "a"
  validation {
    condition     = can(regex("^..?$", var.name))
    error_message = "The name is too long."
  }
}
locals { names = { for n in [var.name, "b"] : n => "${n}!" } }
resource "aws_sqs_queue" "this" {
  for_each = local.names
  name     = each.value
}
resource "aws_cloudwatch_event_target" "this" {
  rule = "rule"
  arn  = aws_sqs_queue.this["a"].arn
  dead_letter_config { arn = aws_sqs_queue.this["b"].arn }
}
data "aws_iam_policy_document" "this" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [for q in aws_sqs_queue.this : q.arn]
  }
}
output "url" { value = aws_sqs_queue.this["a"].url }
`

func TestFaultsOfAModuleAreFound(t *testing.T) {
	m, err := load(t, right)
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string][2]string{
		`has no argument "names"`:             {"  name     = each", "  names    = each"},
		`has no block "dead_letter"`:          {"dead_letter_config", "dead_letter"},
		`needs the argument "rule"`:           {`  rule = "rule"`, ""},
		`there is no var.nam`:                 {"var.name, ", "var.nam, "},
		`there is no local.name`:              {"for_each = local.names", "for_each = local.name"},
		`there is no aws_sqs_queue.that`:      {"aws_sqs_queue.this[\"b\"]", "aws_sqs_queue.that[\"b\"]"},
		`has no attribute "uri"`:              {`["a"].url`, `["a"].uri`},
		`the schema of aws_sqs is not here`:   {`resource "aws_sqs_queue" "this"`, `resource "aws_sqs" "this"`},
		`variable name is there twice`:        {"locals {", "variable \"name\" {}\nlocals {"},
		`there is no block "resources"`:       {`resource "aws_cloud`, `resources "aws_cloud`},
		`there is no data.aws_iam_policy_doc`: {"output \"url\" { value = aws_sqs_queue.this[\"a\"].url }", "output \"url\" { value = data.aws_iam_policy_doc.this.json }"},
	} {
		text := strings.Replace(right, change[0], change[1], 1)
		if text == right {
			t.Fatalf("%q is not in the module", change[0])
		}
		m, err := load(t, text)
		if err == nil {
			err = m.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestAModuleIsEvaluated(t *testing.T) {
	m, err := load(t, right)
	if err != nil {
		t.Fatal(err)
	}
	known := func(address, attribute string) (cty.Value, bool) {
		return cty.StringVal("arn:of:" + address), attribute == "arn"
	}
	p, err := m.Evaluate(nil, known)
	if err != nil {
		t.Fatal(err)
	}
	document, err := p.Resource("data.aws_iam_policy_document.this")
	want := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:SendMessage"],"Resource":["arn:of:aws_sqs_queue.this[\"a\"]","arn:of:aws_sqs_queue.this[\"b\"]"]}]}`
	if err != nil || document.GetAttr("json").AsString() != want {
		t.Errorf("the policy is %#v, %v", document, err)
	}
	if _, err := m.Evaluate(map[string]cty.Value{"name": cty.StringVal("long")}, known); err == nil || !strings.Contains(err.Error(), "The name is too long.") {
		t.Errorf("a name that is too long: %v", err)
	}
	if _, err := m.Evaluate(map[string]cty.Value{"title": cty.True}, known); err == nil || !strings.Contains(err.Error(), "there is no variable title") {
		t.Errorf("an unknown variable: %v", err)
	}
}

func TestAPolicyAllows(t *testing.T) {
	p := terraform.Policy{Statement: []terraform.Statement{{
		Action: []string{"ecs:RunTask"}, Resource: []string{"arn:x:task/a-*:*"},
		Condition: map[string]map[string][]string{"ArnEquals": {"ecs:cluster": {"c"}}},
	}}}
	for _, c := range []struct {
		action, resource, cluster string
		allowed                   bool
	}{
		{"ecs:RunTask", "arn:x:task/a-1:1", "c", true},
		{"ecs:RunTask", "arn:x:task/b-1:1", "c", false},
		{"ecs:RunTask", "arn:x:task/a-1:1", "d", false},
		{"ecs:StopTask", "arn:x:task/a-1:1", "c", false},
	} {
		if p.Allows(c.action, c.resource, map[string]string{"ecs:cluster": c.cluster}) != c.allowed {
			t.Errorf("%+v is wrong", c)
		}
	}
	if p.Allows("ecs:RunTask", "arn:x:task/a-1:1", nil) {
		t.Error("a condition holds for a key that is not there")
	}
}
