package aws_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/infra/aws/internal/terraform"
)

// The account, its region and its cluster are those of the stand-in for ECS.
const (
	account = fakeecs.Account
	region  = fakeecs.Region
	image   = account + ".dkr.ecr." + region + ".amazonaws.com/multinode/control-plane@sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

// inputs are those of the example, with an image.
func inputs() map[string]cty.Value {
	subnets := []cty.Value{cty.StringVal("subnet-a"), cty.StringVal("subnet-b"), cty.StringVal("subnet-c")}
	return map[string]cty.Value{"vpc_id": cty.StringVal("vpc-1"), "subnet_ids": cty.ListVal(subnets), "image": cty.StringVal(image)}
}

// said is what AWS would say, as far as somebody reads it.
var said = map[string]string{
	"data.aws_caller_identity.current.account_id":     account,
	"data.aws_partition.current.partition":            "aws",
	"data.aws_region.current.region":                  region,
	"data.aws_vpc.this.cidr_block":                    "10.0.0.0/16",
	"aws_ecs_cluster.this.arn":                        fakeecs.ClusterARN,
	"aws_ecs_cluster.this.name":                       fakeecs.Cluster,
	"aws_ecr_repository.projects.repository_url":      account + ".dkr.ecr." + region + ".amazonaws.com/multinode/projects",
	"aws_ecr_repository.control_plane.repository_url": account + ".dkr.ecr." + region + ".amazonaws.com/multinode/control-plane",
	"aws_cloudwatch_log_group.workers.arn":            "arn:aws:logs:" + region + ":" + account + ":log-group:/multinode/workers",
	"aws_iam_role.worker.arn":                         "arn:aws:iam::" + account + ":role/multinode-worker",
	`aws_iam_role.execution["worker"].arn`:            "arn:aws:iam::" + account + ":role/multinode-worker-execution",
	"aws_sqs_queue.events.arn":                        "arn:aws:sqs:" + region + ":" + account + ":task-changes",
	"aws_sqs_queue.events.url":                        "https://sqs." + region + ".amazonaws.com/" + account + "/multinode-events",
	"aws_lb.api.dns_name":                             "internal-multinode-api-1.us-east-1.elb.amazonaws.com",
	`aws_network_interface.nats["1"].private_ip`:      "10.0.1.11",
	`aws_network_interface.nats["2"].private_ip`:      "10.0.2.12",
	`aws_network_interface.nats["3"].private_ip`:      "10.0.3.13",
	`aws_ebs_volume.nats["1"].id`:                     "vol-0a1",
}

func load(t *testing.T, dir string) *terraform.Module {
	t.Helper()
	m, err := terraform.Load(dir)
	must(t, err)
	return m
}

// plan evaluates the module with the example's inputs and these.
func plan(t *testing.T, more map[string]cty.Value) (*terraform.Plan, error) {
	t.Helper()
	values := inputs()
	for name, v := range more {
		values[name] = v
	}
	return load(t, ".").Evaluate(values, func(address, attribute string) (cty.Value, bool) {
		text, ok := said[address+"."+attribute]
		return cty.StringVal(text), ok
	})
}

func mustPlan(t *testing.T, more map[string]cty.Value) *terraform.Plan {
	t.Helper()
	p, err := plan(t, more)
	must(t, err)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func output(t *testing.T, p *terraform.Plan, name string) cty.Value {
	t.Helper()
	v, err := p.Output(name)
	must(t, err)
	return v
}

func resource(t *testing.T, p *terraform.Plan, address string) cty.Value {
	t.Helper()
	v, err := p.Resource(address)
	must(t, err)
	return v
}

// `terraform fmt` would change nothing.
func TestFilesAreFormatted(t *testing.T) {
	for _, pattern := range []string{"*.tf", "*/*.tf"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, path := range files {
			text, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(text, hclwrite.Format(text)) {
				t.Errorf("%s: run terraform fmt", path)
			}
		}
	}
}

func TestTheProviderKnowsEveryArgument(t *testing.T) {
	for _, dir := range []string{".", "example"} {
		if err := load(t, dir).Check(); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// The first `terraform apply` makes only what has to be there before the image.
func TestNothingRunsBeforeThereIsAnImage(t *testing.T) {
	p := mustPlan(t, map[string]cty.Value{"image": cty.StringVal("")})
	for _, address := range []string{"aws_ecs_service.gateway", "aws_ecs_service.dispatcher", "aws_instance.nats", "aws_volume_attachment.nats"} {
		if n := resource(t, p, address).LengthInt(); n != 0 {
			t.Errorf("there are %d of %s", n, address)
		}
	}
	for _, address := range []string{"aws_ebs_volume.nats", "aws_network_interface.nats", "aws_secretsmanager_secret.nats"} {
		if n := resource(t, p, address).LengthInt(); n != 3 {
			t.Errorf("there are %d of %s", n, address)
		}
	}
}

func TestWhereTheAPIIs(t *testing.T) {
	certificate := cty.StringVal("arn:aws:acm:us-east-1:123456789012:certificate/1")
	public := cty.ListVal([]cty.Value{cty.StringVal("subnet-p"), cty.StringVal("subnet-q")})
	for _, c := range []struct {
		more     map[string]cty.Value
		url      string
		internal bool
	}{
		{nil, "http://" + said["aws_lb.api.dns_name"], true},
		{map[string]cty.Value{"certificate_arn": certificate, "host": cty.StringVal("multinode.example.com")}, "https://multinode.example.com", true},
		{map[string]cty.Value{"certificate_arn": certificate, "public_subnet_ids": public}, "https://" + said["aws_lb.api.dns_name"], false},
	} {
		p := mustPlan(t, c.more)
		if url := output(t, p, "url").AsString(); url != c.url {
			t.Errorf("with %v the API is at %s", c.more, url)
		}
		if internal := resource(t, p, "aws_lb.api").GetAttr("internal").True(); internal != c.internal {
			t.Errorf("with %v the load balancer is internal: %v", c.more, internal)
		}
	}
}

func TestWrongInputsAreRefused(t *testing.T) {
	for want, more := range map[string]map[string]cty.Value{
		"needs a certificate":  {"public_subnet_ids": cty.ListVal([]cty.Value{cty.StringVal("subnet-p")})},
		"three subnets":        {"subnet_ids": cty.ListVal([]cty.Value{cty.StringVal("subnet-a")})},
		"X86_64 or ARM64":      {"architecture": cty.StringVal("arm64")},
		"begins with a letter": {"name": cty.StringVal("1")},
	} {
		if _, err := plan(t, more); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", more, err)
		}
	}
}

// What the example passes on, the module takes.
func TestTheExampleFitsTheModule(t *testing.T) {
	text, err := os.ReadFile("example/main.tf")
	must(t, err)
	call := regexp.MustCompile(`(?s)module "multinode" \{(.*?)\n\}`).FindStringSubmatch(string(text))
	values := map[string]cty.Value{}
	for _, line := range regexp.MustCompile(`(?m)^  (\w+) +=`).FindAllStringSubmatch(call[1], -1) {
		if line[1] != "source" {
			values[line[1]] = inputs()[line[1]]
		}
	}
	_, err = load(t, ".").Evaluate(values, func(string, string) (cty.Value, bool) { return cty.NilVal, false })
	must(t, err)
}
