package fargate

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"multinode/dispatcher/provision"
)

// Advice on when to try again.
const (
	retryThrottled = 2 * time.Second
	retryBroken    = 5 * time.Second
	retryFull      = 15 * time.Second
	retryQuota     = 30 * time.Second
	retryRefused   = 30 * time.Second
)

// permanentCodes are errors that no repetition mends.
var permanentCodes = map[string]bool{
	"ClientException":               true,
	"InvalidParameterException":     true,
	"PlatformUnknownException":      true,
	"UnsupportedFeatureException":   true,
	"PlatformTaskDefinitionInvalid": true,
}

// mendable are refusals of whoever asks, not of the worker: whoever looks after the
// account mends them, and nothing that waits has to be lost for it.
var mendable = map[string]bool{
	"AccessDeniedException":       true,
	"ClusterNotFoundException":    true,
	"UnrecognizedClientException": true,
	"ExpiredTokenException":       true,
	"InvalidSignatureException":   true,
}

// retryer is the SDK's, which does not see a throttle that comes under another name.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var answer smithy.APIError
			if errors.As(err, &answer) && throttled(answer.ErrorCode(), answer.ErrorMessage()) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

func refusal(kind provision.Kind, retryAfter time.Duration, err error) error {
	return &provision.Error{Kind: kind, RetryAfter: retryAfter, Err: err}
}

func permanent(err error) error { return refusal(provision.Permanent, 0, err) }

// throttled tells a limit of the rate of calls, under whichever name it comes.
func throttled(code, message string) bool {
	return strings.Contains(code, "Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException" ||
		strings.Contains(message, "Rate exceeded")
}

// withoutDefinition tells that the service does not have the task definition any more.
func withoutDefinition(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == "ClientException" &&
		(strings.Contains(answer.ErrorMessage(), "TaskDefinition is inactive") || strings.Contains(answer.ErrorMessage(), "Unable to find task definition"))
}

// failure gives an error of the API the kind that its cause suggests, unless it
// has one.
func failure(err error) error {
	var known *provision.Error
	var answer smithy.APIError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return refusal(provision.Transient, 0, err)
	case !errors.As(err, &answer): // no answer
		return refusal(provision.Transient, retryBroken, err)
	}
	code, message := answer.ErrorCode(), answer.ErrorMessage()
	switch {
	case throttled(code, message):
		return refusal(provision.Transient, retryThrottled, errors.New("AWS limits the rate of calls for now: "+message))
	case strings.Contains(message, "number of vCPUs"):
		return refusal(provision.NoCapacity, retryQuota, errors.New("the account's quota of Fargate vCPUs is used up: raise it in Service Quotas, or wait: "+message))
	case code == "ClientException" && strings.Contains(message, "Capacity is unavailable"):
		return refusal(provision.NoCapacity, retryFull, errors.New("AWS has no capacity: "+message))
	case mendable[code] || strings.Contains(message, "unable to assume the role"): // which may be new
		return refusal(provision.Transient, retryRefused, errors.New("AWS refuses the dispatcher: check its roles and its cluster: "+code+": "+message))
	case permanentCodes[code]:
		return permanent(errors.New("AWS refuses the worker: " + code + ": " + message))
	}
	return refusal(provision.Transient, retryBroken, errors.New("AWS: "+code+": "+message))
}

// refused is for the reasons in failures[], which come without an error.
func refused(reason, detail string) error {
	if detail != "" {
		reason += ": " + detail
	}
	if throttled("", reason) {
		return refusal(provision.Transient, retryThrottled, errors.New("AWS limits the rate of calls for now: "+reason))
	}
	return refusal(provision.NoCapacity, retryFull, errors.New("AWS has no capacity: "+reason))
}
