package embedded

import (
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
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

// trust returns the operator's claims and a resolver that knows its accounts.
func (k keys) trust(maxStore, maxMemory int64) (*jwt.OperatorClaims, server.AccountResolver, error) {
	operatorKey, err := k.operator.PublicKey()
	if err != nil {
		return nil, nil, err
	}
	operator := jwt.NewOperatorClaims(operatorKey)
	operator.Name = "multinode"
	operator.SystemAccount = k.System
	text, err := operator.Encode(k.operator)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the operator's claims: %w", err)
	}
	// The server wants claims as they are after a round trip.
	if operator, err = jwt.DecodeOperatorClaims(text); err != nil {
		return nil, nil, fmt.Errorf("read the operator's claims back: %w", err)
	}

	system := jwt.NewAccountClaims(k.System)
	system.Name = "system"
	app, err := k.appClaims(maxStore, maxMemory)
	if err != nil {
		return nil, nil, err
	}
	workers, err := k.workersClaims()
	if err != nil {
		return nil, nil, err
	}
	resolver := &server.MemAccResolver{}
	for _, account := range []*jwt.AccountClaims{system, app, workers} {
		if err := store(resolver, account, k.operator); err != nil {
			return nil, nil, fmt.Errorf("set up the account %s: %w", account.Name, err)
		}
	}
	return operator, resolver, nil
}

func store(resolver server.AccountResolver, account *jwt.AccountClaims, operator nkeys.KeyPair) error {
	results := jwt.CreateValidationResults()
	account.Validate(results)
	if err := errors.Join(results.Errors()...); err != nil {
		return err
	}
	text, err := account.Encode(operator)
	if err != nil {
		return err
	}
	return resolver.Store(account.Subject, text)
}

func (k keys) appClaims(maxStore, maxMemory int64) (*jwt.AccountClaims, error) {
	signing, err := k.appSigning.PublicKey()
	if err != nil {
		return nil, err
	}
	app := jwt.NewAccountClaims(k.App)
	app.Name = "app"
	app.SigningKeys.Add(signing)
	app.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: maxMemory,
		DiskStorage:   maxStore,
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

func (k keys) workersClaims() (*jwt.AccountClaims, error) {
	signing, err := k.workersSigning.PublicKey()
	if err != nil {
		return nil, err
	}
	workers := jwt.NewAccountClaims(k.Workers)
	workers.Name = "workers"
	workers.Limits.Conn = maxWorkerConnections
	for _, subject := range services {
		workers.Imports.Add(&jwt.Import{Name: string(subject), Subject: subject, Account: k.App, Type: jwt.Service})
	}
	workers.Imports.Add(&jwt.Import{Name: string(tells), Subject: tells, Account: k.App, Type: jwt.Stream})
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
		Limits:                 jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: workerSubscriptions, Data: jwt.NoLimit, Payload: maxPayload}},
		AllowedConnectionTypes: jwt.StringList{jwt.ConnectionTypeStandard},
	}
	workers.SigningKeys.AddScopedSigner(scope)
	return workers, nil
}
