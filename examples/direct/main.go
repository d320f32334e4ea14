// Direct calls a function of a Multinode project over NATS alone: it publishes
// the request, follows yields, and prints the result. It needs nats.go and
// nothing of Multinode.
//
//	direct --creds client.creds --input '[["words"], {}]' my_project my_function
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "direct:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	flags := flag.NewFlagSet("direct", flag.ContinueOnError)
	url := flags.String("server", nats.DefaultURL, "where NATS listens")
	creds := flags.String("creds", "", "a credentials file, as `multinode credentials` writes it")
	input := flags.String("input", "[[], {}]", "the arguments: jsonpickle text of [args, kwargs]")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("name a project and a function")
	}
	nc, err := nats.Connect(*url, nats.UserCredentials(*creds))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	call := call{js: js, project: token(flags.Arg(0)), function: token(flags.Arg(1)), id: newID(), out: out}
	if err := call.request(ctx, *input); err != nil {
		return err
	}
	return call.follow(ctx)
}

// call is one invocation. Its names are encoded as tokens.
type call struct {
	js                    jetstream.JetStream
	project, function, id string
	out                   io.Writer
}

// request publishes the request. The answer means that it is on disk: from then
// on it cannot be lost. An error does not mean that it was not stored; the same
// request with the same ID may be published again, and is refused if it was.
func (c call) request(ctx context.Context, input string) error {
	_, err := c.js.Publish(ctx, strings.Join([]string{"mn.invoke", c.project, c.function, c.id}, "."), []byte(input))
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return errors.New("no such function is deployed")
	case errors.As(err, &api) && api.ErrorCode == 10077 && strings.Contains(api.Description, "per subject"):
		return nil // an earlier try had been stored
	case err != nil:
		return err
	}
	_, _ = fmt.Fprintln(c.out, "accepted", c.id)
	return nil
}

// record is what this program reads of an invocation's record.
type record struct {
	Status     string `json:"status"`
	Executions []struct {
		ID string `json:"id"`
	} `json:"executions"`
}

// follow prints yields until the invocation has ended, and then its output.
func (c call) follow(ctx context.Context) error {
	records, err := c.js.KeyValue(ctx, "mn-invocations")
	if err != nil {
		return err
	}
	yields, err := c.js.KeyValue(ctx, "mn-yields")
	if err != nil {
		return err
	}
	// The second part of a key is the project's generation. There is one record.
	key := strings.Join([]string{c.project, "*", c.function, c.id}, ".")
	changes, err := records.Watch(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = changes.Stop() }()
	outputs, err := yields.Watch(ctx, key+".*")
	if err != nil {
		return err
	}
	defer func() { _ = outputs.Stop() }()
	for {
		select {
		case entry := <-outputs.Updates():
			if entry != nil { // nil says that what follows is new
				_, _ = fmt.Fprintln(c.out, "yield", string(entry.Value()))
			}
		case entry := <-changes.Updates():
			if entry == nil {
				continue
			}
			var r record
			if err := json.Unmarshal(entry.Value(), &r); err != nil {
				return err
			}
			switch r.Status {
			case "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT":
				return c.result(ctx, entry.Key(), r)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// outcome is the header Mn-Outcome. The output is the message itself.
type outcome struct {
	Error    string `json:"error"`
	NoOutput bool   `json:"no_output"`
}

// result prints what the last execution left behind.
func (c call) result(ctx context.Context, key string, r record) error {
	_, _ = fmt.Fprintln(c.out, "status", r.Status)
	if len(r.Executions) == 0 {
		return nil // it was cancelled before it ran
	}
	stream, err := c.js.Stream(ctx, "KV_mn-outcomes")
	if err != nil {
		return err
	}
	stored, err := stream.GetLastMsgForSubject(ctx, "$KV.mn-outcomes."+key+"."+token(r.Executions[len(r.Executions)-1].ID))
	if err != nil {
		return err
	}
	var o outcome
	if err := json.Unmarshal([]byte(stored.Header.Get("Mn-Outcome")), &o); err != nil {
		return err
	}
	if !o.NoOutput {
		_, _ = fmt.Fprintln(c.out, "output", string(stored.Data))
	}
	if o.Error != "" {
		_, _ = fmt.Fprintln(c.out, "error", o.Error)
	}
	return nil
}

// newID returns a random ID. Any text of at most 128 bytes would do.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return "inv-" + hex.EncodeToString(b[:])
}

// token encodes a name as one token of a subject: every byte that is no letter,
// digit, "-" or "_" becomes "=" and two hexadecimal digits.
func token(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(plain, name[i]) >= 0 {
			b.WriteByte(name[i])
		} else {
			fmt.Fprintf(&b, "=%02X", name[i])
		}
	}
	return b.String()
}
