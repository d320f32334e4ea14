package streams

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// WorkerOptions say how a worker reaches NATS and which execution it is.
type WorkerOptions struct {
	URL string
	// Credentials is the path of a NATS credentials file, and CredentialsText the
	// content of one; both empty means none.
	Credentials, CredentialsText string
	// CA is the PEM text of the authorities that vouch for the server; empty means
	// those of the machine.
	CA        string
	Execution string
	// Key is the execution's key, as ExecutionKeyName gives it.
	Key    string
	Logger *slog.Logger
}

// WorkerLink is a worker's connection: all that its credentials allow.
type WorkerLink struct {
	options WorkerOptions
	nc      *nats.Conn
	self    string
	desires chan multinode.Desired
}

const (
	// workerAnswer is how long a worker waits for one answer.
	workerAnswer = 4 * time.Second
	// workerRetry is the pause between two tries.
	workerRetry = 250 * time.Millisecond
)

// DialWorker connects and listens for what is wanted of the worker. It keeps
// trying until ctx ends; later it reconnects for ever.
func DialWorker(ctx context.Context, o WorkerOptions) (*WorkerLink, error) {
	l := &WorkerLink{options: o, self: multinode.NewID("worker"), desires: make(chan multinode.Desired, 16)}
	options := []nats.Option{
		nats.Name("multinode worker " + o.Execution), nats.CustomInboxPrefix("_INBOX_" + Token(o.Execution)),
		nats.MaxReconnects(-1), nats.ReconnectWait(workerRetry), nats.ReconnectJitter(workerRetry, workerRetry),
		nats.ReconnectBufSize(-1), // what cannot be sent now is tried again by whoever sent it
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Logger.Warn("NATS reported a problem", "error", err)
		}),
	}
	if o.CA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, errors.New("connect to NATS: the certificate authority is no PEM certificate")
		}
		options = append(options, nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}))
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	} else if o.CredentialsText != "" {
		options = append(options, nats.UserCredentialBytes([]byte(o.CredentialsText)))
	}
	for {
		var err error
		if l.nc, err = nats.Connect(o.URL, options...); err == nil {
			break
		}
		o.Logger.Warn("cannot reach NATS yet", "error", err)
		if !pause(ctx, workerRetry) {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
	}
	_, err := l.nc.Subscribe(join(tellSubjects, o.Execution), func(m *nats.Msg) {
		select {
		case l.desires <- multinode.Desired(m.Data):
		default: // the next beat's answer says it again
		}
	})
	if err != nil {
		l.nc.Close()
		return nil, classify("listen to the dispatcher", err)
	}
	return l, nil
}

// Close closes the connection.
func (l *WorkerLink) Close() { l.nc.Close() }

// Connected tells whether the connection stands.
func (l *WorkerLink) Connected() bool { return l.nc.IsConnected() }

// Desires delivers what is wanted of the worker as soon as it is known.
func (l *WorkerLink) Desires() <-chan multinode.Desired { return l.desires }

// Hello announces the worker until it is answered or ctx ends. It returns
// ErrLeave where the worker is not wanted.
func (l *WorkerLink) Hello(ctx context.Context) (multinode.Assignment, error) {
	body, err := json.Marshal(hello{Incarnation: l.self, Key: l.options.Key})
	if err != nil {
		return multinode.Assignment{}, err
	}
	for {
		m, err := l.request(ctx, join(helloSubjects, l.options.Execution), nil, body)
		if err == nil {
			if m.Header.Get(headerDesired) == string(multinode.Leave) {
				return multinode.Assignment{}, ErrLeave
			}
			var a multinode.Assignment
			if err := json.Unmarshal([]byte(m.Header.Get(headerAssignment)), &a); err != nil {
				return a, fmt.Errorf("the assignment is unreadable: %w", err)
			}
			a.Input = m.Data
			return a, nil
		}
		if !pause(ctx, workerRetry) {
			return multinode.Assignment{}, err
		}
	}
}

// Beat gives a sign of life and returns what is wanted of the worker. It returns
// an error where nobody answered in time.
func (l *WorkerLink) Beat(ctx context.Context, b multinode.Beat) (multinode.Desired, error) {
	body, err := json.Marshal(beat{Beat: b, Key: l.options.Key})
	if err != nil {
		return "", err
	}
	m, err := l.request(ctx, join(beatSubjects, l.options.Execution), nil, body)
	if err != nil {
		return "", err
	}
	return multinode.Desired(m.Data), nil
}

// PutYield stores the latest yield. It tries again until ctx ends.
func (l *WorkerLink) PutYield(ctx context.Context, output []byte) error {
	m := nats.NewMsg(kvSubject(yieldsBucket, l.options.Key))
	m.Data = output
	return l.put(ctx, m)
}

// PutLogs stores one batch of lines. It tries again until ctx ends, and then may
// have stored it more than once.
func (l *WorkerLink) PutLogs(ctx context.Context, lines []multinode.LogLine) error {
	data, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	m := nats.NewMsg(logSubjects + "." + l.options.Key)
	m.Data = data
	return l.put(ctx, m)
}

// PutOutcome stores the execution's outcome, unless one is stored already: then
// it returns false. It tries again until ctx ends.
func (l *WorkerLink) PutOutcome(ctx context.Context, o multinode.Outcome) (bool, error) {
	m, err := outcomeMessage(multinode.ExecutionKey{}, o)
	if err != nil {
		return false, err
	}
	m.Subject = kvSubject(outcomesBucket, l.options.Key)
	err = l.put(ctx, m)
	if errors.Is(err, ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// put publishes to a stream until it is stored or ctx ends. It returns ErrExists
// where the subject is taken.
func (l *WorkerLink) put(ctx context.Context, m *nats.Msg) error {
	for {
		answer, err := l.request(ctx, m.Subject, m.Header, m.Data)
		if err == nil {
			err = ackError(answer.Data)
		}
		if err == nil || errors.Is(err, ErrExists) {
			return err
		}
		if !pause(ctx, workerRetry) {
			return classify("store "+m.Subject, err)
		}
	}
}

func ackError(data []byte) error {
	var ack struct {
		Stream string              `json:"stream"`
		Error  *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(data, &ack); {
	case err != nil:
		return err
	case ack.Error != nil && ack.Error.ErrorCode == codeStoreFailed && subjectTaken(ack.Error.Description):
		return ErrExists
	case ack.Error != nil:
		return ack.Error
	case ack.Stream == "":
		return errors.New("the acknowledgement names no stream")
	}
	return nil
}

func (l *WorkerLink) request(ctx context.Context, subject string, h nats.Header, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, workerAnswer)
	defer cancel()
	return l.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: h, Data: body})
}

// pause waits and tells whether ctx is still alive after that.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
