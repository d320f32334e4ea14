package aws_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"multinode/dispatcher/provision/fargate"
	"multinode/infra/aws/internal/terraform"
)

func policy(t *testing.T, p *terraform.Plan, address string) (made terraform.Policy) {
	t.Helper()
	must(t, json.Unmarshal([]byte(resource(t, p, address).GetAttr("policy").AsString()), &made))
	return made
}

func TestWhatIsCalledIsGrantedAndNoMore(t *testing.T) {
	want := slices.Concat(fargate.Actions, fargate.RepositoryActions)
	var granted []string
	for _, s := range policy(t, mustPlan(t, nil), "aws_iam_role_policy.dispatcher").Statement {
		granted = append(granted, s.Action...)
	}
	slices.Sort(want)
	slices.Sort(granted)
	if want = slices.Compact(want); !slices.Equal(want, granted) {
		t.Errorf("called:\n%v\ngranted:\n%v", want, granted)
	}
}

// Where a policy says "*" for the resource, AWS knows none, or a condition narrows it.
func TestWhatIsGrantedIsNarrow(t *testing.T) {
	wide := map[string]bool{
		"ecr:GetAuthorizationToken": true, "ecs:DescribeTaskDefinition": true, "ssm:UpdateInstanceInformation": true,
	}
	p := mustPlan(t, nil)
	policies := []terraform.Policy{policy(t, p, "aws_iam_role_policy.dispatcher"), policy(t, p, "aws_iam_role_policy.nats")}
	for _, one := range resource(t, p, "aws_iam_role_policy.execution").AsValueMap() {
		var made terraform.Policy
		must(t, json.Unmarshal([]byte(one.GetAttr("policy").AsString()), &made))
		policies = append(policies, made)
	}
	for _, made := range policies {
		for _, s := range made.Statement {
			for _, action := range s.Action {
				agent := strings.HasPrefix(action, "ssmmessages:") || strings.HasPrefix(action, "ec2messages:")
				if strings.Contains(action, "*") || slices.Contains(s.Resource, "*") && s.Condition == nil && !wide[action] && !agent {
					t.Errorf("%s is granted for %v", action, s.Resource)
				}
			}
		}
	}
}

// The gateway cannot sign workers' credentials, and no worker reads a secret.
func TestSecretsAreForThoseWhoNeedThem(t *testing.T) {
	p := mustPlan(t, nil)
	for role, want := range map[string][]string{
		"gateway":    {"aws_secretsmanager_secret.api_key.arn", "aws_secretsmanager_secret.control_plane.arn"},
		"dispatcher": {"aws_secretsmanager_secret.control_plane.arn", "aws_secretsmanager_secret.authority.arn"},
		"worker":     nil,
	} {
		var made terraform.Policy
		must(t, json.Unmarshal([]byte(resource(t, p, "aws_iam_role_policy.execution").GetAttr(role).GetAttr("policy").AsString()), &made))
		var secrets []string
		for _, s := range made.Statement {
			if slices.Contains(s.Action, "secretsmanager:GetSecretValue") {
				secrets = append(secrets, s.Resource...)
			}
		}
		if !slices.Equal(secrets, want) {
			t.Errorf("%s tasks are started with %v", role, secrets)
		}
	}
}
