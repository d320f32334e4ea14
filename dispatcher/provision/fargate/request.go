package fargate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/dispatcher/provision"
)

// Limits of the service.
const (
	maxOverrides = 8192 // characters, as JSON
	maxTagValue  = 256  // characters
)

const container = "worker"

// Tags of a task: whose it is, and what people look for.
const installationTag = "multinode:installation"

var keyTags = []string{"multinode:execution-key", "multinode:execution-key-2", "multinode:execution-key-3"}

// request is the call that launches the worker, for the n-th time.
func (p *Provisioner) request(intent provision.Intent, size Size, definition string, n int) (*ecs.RunTaskInput, error) {
	environment := p.environment(intent)
	overrides := &types.TaskOverride{
		Cpu:    aws.String(strconv.Itoa(size.CPU)),
		Memory: aws.String(strconv.Itoa(size.Memory)),
		ContainerOverrides: []types.ContainerOverride{
			{Name: aws.String(container), Environment: environment},
		},
	}
	if length := overridesLength(size, environment); length > maxOverrides {
		return nil, fmt.Errorf("the worker's environment and credentials take %d characters of the %d that AWS allows for a task; the largest are %s: "+
			"shorten them, or name what all workers have in common as shared", length, maxOverrides, largest(environment))
	}
	public := types.AssignPublicIpDisabled
	if p.options.AssignPublicIP {
		public = types.AssignPublicIpEnabled
	}
	return &ecs.RunTaskInput{
		Cluster:        aws.String(p.options.Cluster),
		TaskDefinition: aws.String(definition),
		Count:          aws.Int32(1),
		ClientToken:    aws.String(p.token(intent.ExecutionID, n)),
		StartedBy:      aws.String(intent.ExecutionID),
		CapacityProviderStrategy: []types.CapacityProviderStrategyItem{
			{CapacityProvider: aws.String(p.provider(n)), Weight: 1},
		},
		PlatformVersion: aws.String("LATEST"),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: p.options.Subnets, SecurityGroups: p.options.SecurityGroups, AssignPublicIp: public,
		}},
		Overrides: overrides,
		Tags:      p.tags(intent),
	}, nil
}

// token is the same for every dispatcher that launches the execution.
func (p *Provisioner) token(id string, n int) string {
	sum := sha256.Sum256([]byte(p.options.Installation + "\n" + id + "\n" + strconv.Itoa(n)))
	return hex.EncodeToString(sum[:16]) + "-" + strconv.Itoa(n)
}

// provider follows from the number, because a token must not come with other
// parameters: with Spot, even ones are tried there.
func (p *Provisioner) provider(n int) string {
	if p.options.Spot && n%2 == 0 {
		return "FARGATE_SPOT"
	}
	return "FARGATE"
}

// environment is all that goes into the task's own variables, in a fixed order.
func (p *Provisioner) environment(intent provision.Intent) []types.KeyValuePair {
	values := maps.Clone(intent.Environment)
	if values == nil {
		values = map[string]string{}
	}
	for _, name := range p.options.Shared {
		delete(values, name)
	}
	values["MULTINODE_EXECUTION_ID"] = intent.ExecutionID
	values["MULTINODE_NATS_CREDS_TEXT"] = string(intent.Credentials)
	return pairs(values)
}

func pairs(values map[string]string) []types.KeyValuePair {
	list := make([]types.KeyValuePair, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, types.KeyValuePair{Name: aws.String(name), Value: aws.String(values[name])})
	}
	return list
}

// overridesLength counts characters as the service does, with all of the JSON.
func overridesLength(size Size, environment []types.KeyValuePair) int {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	list := make([]pair, len(environment))
	for i, p := range environment {
		list[i] = pair{aws.ToString(p.Name), aws.ToString(p.Value)}
	}
	data, _ := json.Marshal(map[string]any{
		"containerOverrides": []any{map[string]any{"name": container, "environment": list}},
		"cpu":                strconv.Itoa(size.CPU), "memory": strconv.Itoa(size.Memory),
	})
	return utf8.RuneCount(data)
}

func largest(environment []types.KeyValuePair) string {
	sorted := slices.SortedFunc(slices.Values(environment), func(a, b types.KeyValuePair) int {
		return len(aws.ToString(b.Value)) - len(aws.ToString(a.Value))
	})
	names := make([]string, 0, 3)
	for _, p := range sorted[:min(3, len(sorted))] {
		names = append(names, fmt.Sprintf("%s (%d)", aws.ToString(p.Name), len(aws.ToString(p.Value))))
	}
	return strings.Join(names, ", ")
}

func (p *Provisioner) tags(intent provision.Intent) []types.Tag {
	tags := []types.Tag{tag(installationTag, p.options.Installation)}
	for name, value := range map[string]string{
		"multinode:project": intent.Project, "multinode:version": intent.Version,
		"multinode:function": intent.Function, "multinode:invocation": intent.Invocation,
	} {
		tags = append(tags, tag(name, value))
	}
	key := intent.ExecutionKey
	for _, name := range keyTags {
		if key != "" {
			n := min(maxTagValue, len(key))
			tags = append(tags, tag(name, key[:n]))
			key = key[n:]
		}
	}
	slices.SortFunc(tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return tags
}

// tag makes the value acceptable: it is for people.
func tag(name, value string) types.Tag {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" +-=._:/@", r) {
			return r
		}
		return '_'
	}, value))
	return types.Tag{Key: aws.String(name), Value: aws.String(string(runes[:min(maxTagValue, len(runes))]))}
}
