package fargate

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// registryPattern is the address of a registry of Amazon ECR, with its region.
var registryPattern = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$`)

// loginMargin is how long before its end a password is replaced: a build pushes with
// it for a while. ECR gives one for twelve hours.
const loginMargin = 2 * time.Hour

// Logins gets passwords of Amazon ECR's registries, and keeps them while they are
// good.
type Logins struct {
	options Options

	mu   sync.Mutex
	kept map[string]login // by region
}

type login struct {
	user, password string
	until          time.Time
}

// NewLogins returns one that asks with the credentials of the options.
func NewLogins(o Options) *Logins { return &Logins{options: o, kept: map[string]login{}} }

// Login returns user and password of a registry, by its host. ok is false where the
// host is none of Amazon ECR's.
func (l *Logins) Login(ctx context.Context, host string) (user, password string, ok bool, err error) {
	m := registryPattern.FindStringSubmatch(host)
	if m == nil {
		return "", "", false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	region := m[1]
	if kept := l.kept[region]; l.options.Clock.Now().Before(kept.until) {
		return kept.user, kept.password, true, nil
	}
	client := ecr.NewFromConfig(l.options.bounded(), func(o *ecr.Options) { o.Region = region })
	output, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", "", true, fmt.Errorf("asking for the password of %s: %w", host, err)
	}
	if len(output.AuthorizationData) == 1 {
		data := output.AuthorizationData[0]
		text, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
		user, password, found := strings.Cut(string(text), ":")
		if err == nil && found {
			l.kept[region] = login{user, password, aws.ToTime(data.ExpiresAt).Add(-loginMargin)}
			return user, password, true, nil
		}
	}
	return "", "", true, fmt.Errorf("asking for the password of %s: AWS answered without one", host)
}
