package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

func (a *app) logsCommand() *cobra.Command {
	var t target
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Print what an invocation wrote to stdout and stderr",
		Long:  "Prints what an invocation's executions wrote to stdout and stderr, the oldest\nexecution first. With --json, each line is an object of its own.",
		Example: `  multinode logs --project-name=my_project --function-name=f --invocation-id=inv-…
  multinode logs --project-name=my_project --function-name=f --invocation-id=inv-… -f`,
		Args: arguments(),
	}
	t.projectFlag(a, cmd)
	t.functionFlags(a, cmd)
	t.invocationFlag(a, cmd)
	cmd.Flags().StringVar(&t.execution, "execution-id", "", "ID of one execution (default: all)")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the invocation has finished")
	a.jsonFlag(cmd)
	require(cmd, "project-name", "function-name", "invocation-id")
	cmd.RunE = a.action(&t, func(ctx context.Context, c *client.Client) error {
		p := &logPrinter{app: a, headings: t.execution == ""}
		if follow {
			return p.follow(ctx, c, &t)
		}
		return p.stored(ctx, c, &t)
	})
	return cmd
}

// logPrinter writes lines as data, and says between them whose they are.
type logPrinter struct {
	*app
	headings bool
	last     string // the execution whose line came last
}

// printedLine is a line for programs. Time and stream are known of lines that
// were followed.
type printedLine struct {
	ExecutionID string     `json:"execution_id"`
	Time        *time.Time `json:"time,omitempty"`
	Stream      string     `json:"stream,omitempty"`
	Text        string     `json:"text"`
}

func (p *logPrinter) print(line printedLine) {
	if p.json {
		encoder := json.NewEncoder(p.out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(line) // of text and a time: always possible
		return
	}
	if p.headings && p.last != line.ExecutionID {
		p.last = line.ExecutionID
		p.screen.Note(p.screen.Notes().Dim("— execution " + line.ExecutionID))
	}
	text := line.Text
	if p.screen.Terminal {
		text = term.Printable(text)
	}
	p.screen.Printf("%s\n", text)
}

func (p *logPrinter) event(e wire.LogEvent) {
	for _, l := range e.Lines {
		p.print(printedLine{ExecutionID: e.ExecutionID, Time: &l.Time, Stream: l.Stream, Text: l.Text})
	}
}

func (p *logPrinter) follow(ctx context.Context, c *client.Client, t *target) error {
	if t.execution != "" {
		_, err := c.FollowLog(ctx, t.invocationRef(), t.execution, p.event)
		return err
	}
	_, err := c.Follow(ctx, t.invocationRef(), client.Handlers{Log: p.event})
	return err
}

// stored prints what was written so far.
func (p *logPrinter) stored(ctx context.Context, c *client.Client, t *target) error {
	executions := []string{t.execution}
	if t.execution == "" {
		info, err := c.Invocation(ctx, t.invocationRef())
		if err != nil {
			return err
		}
		executions = nil
		for _, e := range slices.Backward(info.Executions) {
			executions = append(executions, e.ExecutionID)
		}
		if len(executions) == 0 {
			p.screen.Note("It has not started yet. Add -f to wait for its lines.")
		}
		p.headings = len(executions) > 1
	}
	for _, id := range executions {
		if err := p.pages(ctx, c, t.invocationRef(), id); err != nil {
			return err
		}
	}
	return nil
}

func (p *logPrinter) pages(ctx context.Context, c *client.Client, i client.Invocation, execution string) error {
	offset := ""
	for {
		page, err := c.Log(ctx, i, execution, offset)
		if err != nil {
			return err
		}
		for _, text := range page.LogLines {
			p.print(printedLine{ExecutionID: execution, Text: text})
		}
		if page.NextOffset == nil {
			return nil
		}
		offset = *page.NextOffset
	}
}
