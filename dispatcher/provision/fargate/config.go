package fargate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// ErrClusterName says that a cluster was named, and not by its ARN.
var ErrClusterName = errors.New("the cluster has to be named by its ARN, as arn:aws:ecs:eu-central-1:123456789012:cluster/NAME")

// Load returns DefaultOptions for a cluster, with the credentials and settings that
// all programs find: variables, ~/.aws, or the role of the task that this runs in. The
// region is the cluster's.
func Load(ctx context.Context, cluster string) (Options, error) {
	if !clusterPattern.MatchString(cluster) {
		return Options{}, ErrClusterName
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(strings.Split(cluster, ":")[3]))
	if err != nil {
		return Options{}, fmt.Errorf("finding the settings of AWS: %w", err)
	}
	return DefaultOptions(loaded, cluster), nil
}

// bounded is the configuration with an end to each call, and with the SDK's own words
// in our log.
func (o Options) bounded() aws.Config {
	bounded := o.AWS.Copy()
	switch client := o.AWS.HTTPClient.(type) {
	case nil:
		bounded.HTTPClient = awshttp.NewBuildableClient().WithTimeout(o.CallTimeout)
	case *awshttp.BuildableClient: // with authorities that the environment names
		bounded.HTTPClient = client.WithTimeout(o.CallTimeout)
	}
	bounded.Logger = logging.LoggerFunc(func(level logging.Classification, format string, values ...any) {
		o.Logger.Debug("the AWS SDK said something", slog.String("aws_level", string(level)), slog.String("said", fmt.Sprintf(format, values...)))
	})
	return bounded
}

// Elsewhere tells whether tasks run on machines that do not reach this one's loopback:
// always but for a stand-in of ECS that listens there.
func (o Options) Elsewhere() bool {
	endpoint, err := url.Parse(cmp.Or(os.Getenv("AWS_ENDPOINT_URL_ECS"), aws.ToString(o.AWS.BaseEndpoint)))
	if err != nil {
		return true
	}
	ip := net.ParseIP(endpoint.Hostname())
	return ip == nil || !ip.IsLoopback()
}
