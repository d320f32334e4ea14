package up

import (
	"strings"
	"testing"
)

func TestWhatIsMissingForFargateIsNamed(t *testing.T) {
	d := Dispatch{Provisioner: FargateProvisioner}
	err := d.checkProvisioner()
	for _, flag := range []string{"--fargate-cluster", "--fargate-subnets", "--repository"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not asked for: %v", flag, err)
		}
	}
	d.Fargate, d.Containers = Fargate{Cluster: "arn", Subnets: "subnet-1"}, Containers{Repository: "registry.example/app"}
	if err := d.checkProvisioner(); err != nil {
		t.Error(err)
	}
	if d.Fargate.LaunchRate = 21; d.checkProvisioner() == nil {
		t.Error("more launches are asked for than AWS allows")
	}
	d.Fargate.LaunchRate = 0
	for _, other := range []string{ProcessProvisioner, DockerProvisioner} {
		if d.Provisioner = other; d.checkProvisioner() == nil {
			t.Errorf("options for Fargate mean nothing to %s", other)
		}
	}
}

func TestAddressesThatTasksCannotReachAreRefused(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://api.example": true, "http://127.0.0.1:8470": false, "nats://a:4222,nats://localhost:4222": false, "http://[::1]:1": false,
	} {
		if err := reachable(Dispatch{APIURL: "https://api.example", WorkerNATSURL: text}); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, ok := range map[string]bool{"127.0.0.1:5000/app": false, "localhost:5000/app": false, "123456789012.dkr.ecr.eu-central-1.amazonaws.com/app": true, "team/app": true} {
		if err := reachable(Dispatch{APIURL: "https://api.example", Containers: Containers{Repository: name}}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
