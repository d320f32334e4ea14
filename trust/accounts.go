package trust

import (
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"

	"multinode"
)

// The whole of what the workers' account and app say to each other. Each
// asterisk is one token; the five are an execution key.
var (
	// services are asked by workers and answered in app.
	services = []jwt.Subject{
		"mn.worker.hello.*",
		"mn.worker.beat.*",
		"$KV.mn-yields.*.*.*.*.*",
		"$KV.mn-outcomes.*.*.*.*.*",
		"mn.logs.*.*.*.*.*",
	}
	// tells go from app to one worker.
	tells jwt.Subject = "mn.worker.tell.*"
	// nowhere is a subject that no worker may subscribe to.
	nowhere jwt.Subject = "mn.worker.nowhere"
)

// What a worker's user may do. The server fills in the name and the tag of the
// user's claims: the name is the execution key, the tag the execution ID.
var (
	workerPublish = jwt.StringList{
		"mn.worker.hello.{{tag(execution)}}",
		"mn.worker.beat.{{tag(execution)}}",
		"$KV.mn-yields.{{name()}}",
		"$KV.mn-outcomes.{{name()}}",
		"mn.logs.{{name()}}",
	}
	workerSubscribe = jwt.StringList{
		"mn.worker.tell.{{tag(execution)}}",
		"_INBOX_{{tag(execution)}}.>",
	}
)

// workerSubscriptions bounds what one worker can make the server remember.
const workerSubscriptions = 32

// What servers have to be set up with, whoever runs them.
const (
	// MaxControlLine, in bytes, leaves room for the longest subject, some 13 KiB: a
	// function name of 1,023 code points of four bytes, each byte encoded as three;
	// and for a worker's claims, which contain its key once.
	MaxControlLine = 64 << 10
	MaxConnections = 16 << 10
	// MaxWorkerConnections keeps workers from shutting everybody else out.
	MaxWorkerConnections = MaxConnections / 4 * 3
)

// Limits are what the servers grant the accounts.
type Limits struct {
	// Store is how many bytes app may keep on disk and Memory in memory, over all
	// servers and replicas; -1 leaves it to the servers' own limits.
	Store, Memory int64
	// WorkerConnections is how many workers may be connected; -1 is no limit.
	WorkerConnections int64
}

// Claims are what servers have to know, signed.
type Claims struct {
	// Operator is the JWT of the operator.
	Operator string
	// System is the public key of the system account.
	System string
	// Accounts are all accounts, the system account first.
	Accounts []Account
}

// Account is one account's claims.
type Account struct {
	Name string
	// Key is the public key: what servers know the account by.
	Key string
	JWT string
}

// Claims returns the operator's and the accounts' claims.
func (a *Authority) Claims(limits Limits) (Claims, error) {
	key, err := a.operator.PublicKey()
	if err != nil {
		return Claims{}, err
	}
	operator := jwt.NewOperatorClaims(key)
	operator.Name = "multinode"
	operator.SystemAccount = a.System
	claims := Claims{System: a.System}
	if claims.Operator, err = operator.Encode(a.operator); err != nil {
		return Claims{}, fmt.Errorf("sign the operator's claims: %w", err)
	}
	for _, describe := range []func(Limits) (*jwt.AccountClaims, error){a.systemClaims, a.appClaims, a.workersClaims} {
		account, err := describe(limits)
		if err != nil {
			return Claims{}, err
		}
		results := jwt.CreateValidationResults()
		account.Validate(results)
		if err := errors.Join(results.Errors()...); err != nil {
			return Claims{}, fmt.Errorf("describe the account %s: %w", account.Name, err)
		}
		text, err := account.Encode(a.operator)
		if err != nil {
			return Claims{}, fmt.Errorf("sign the claims of the account %s: %w", account.Name, err)
		}
		claims.Accounts = append(claims.Accounts, Account{Name: account.Name, Key: account.Subject, JWT: text})
	}
	return claims, nil
}

func (a *Authority) systemClaims(Limits) (*jwt.AccountClaims, error) {
	signing, err := a.systemSigning.PublicKey()
	if err != nil {
		return nil, err
	}
	system := jwt.NewAccountClaims(a.System)
	system.Name = "system"
	system.SigningKeys.Add(signing)
	return system, nil
}

func (a *Authority) appClaims(limits Limits) (*jwt.AccountClaims, error) {
	signing, err := a.appSigning.PublicKey()
	if err != nil {
		return nil, err
	}
	app := jwt.NewAccountClaims(a.App)
	app.Name = "app"
	app.SigningKeys.Add(signing)
	app.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: limits.Memory,
		DiskStorage:   limits.Store,
		Streams:       jwt.NoLimit,
		Consumer:      jwt.NoLimit,
	}
	for _, subject := range services {
		app.Exports.Add(&jwt.Export{
			Name: string(subject), Subject: subject, Type: jwt.Service,
			ResponseType: jwt.ResponseTypeSingleton,
		})
	}
	app.Exports.Add(&jwt.Export{Name: string(tells), Subject: tells, Type: jwt.Stream})
	return app, nil
}

func (a *Authority) workersClaims(limits Limits) (*jwt.AccountClaims, error) {
	signing, err := a.workersSigning.PublicKey()
	if err != nil {
		return nil, err
	}
	workers := jwt.NewAccountClaims(a.Workers)
	workers.Name = "workers"
	workers.Limits.Conn = limits.WorkerConnections
	for _, subject := range services {
		workers.Imports.Add(&jwt.Import{Name: string(subject), Subject: subject, Account: a.App, Type: jwt.Service})
	}
	workers.Imports.Add(&jwt.Import{Name: string(tells), Subject: tells, Account: a.App, Type: jwt.Stream})
	// A worker may ask with any reply subject. Without this the answer could be
	// sent to where a sibling listens for what app tells it. Mappings apply to
	// answers and publishes within the account, not to imported streams.
	workers.AddMapping(tells, jwt.WeightedMapping{Subject: nowhere})

	// A scoped key: whatever is signed with it has these rights and no others.
	scope := jwt.NewUserScope()
	scope.Key = signing
	scope.Role = "worker"
	scope.Template = jwt.UserPermissionLimits{
		Permissions: jwt.Permissions{
			Pub: jwt.Permission{Allow: workerPublish},
			Sub: jwt.Permission{Allow: workerSubscribe},
		},
		Limits:                 jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: workerSubscriptions, Data: jwt.NoLimit, Payload: multinode.MaxPayload}},
		AllowedConnectionTypes: jwt.StringList{jwt.ConnectionTypeStandard},
	}
	workers.SigningKeys.AddScopedSigner(scope)
	return workers, nil
}
