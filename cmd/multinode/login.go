package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"

	"multinode/cmd/multinode/internal/config"
	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// defaultListen is where `multinode up` listens, unless it is told otherwise.
const defaultListen = "127.0.0.1:8470"

func (a *app) loginCommand() *cobra.Command {
	var given config.Login
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Store which server to talk to, and its API key",
		Long: `Stores the address of a server and its API key in ~/.multinode/config.json, after
checking that the server accepts them. What is neither given as a flag nor set in
` + config.URLVariable + ` or ` + config.KeyVariable + ` is asked for.`,
		Example: "  multinode login\n  multinode login --url=http://" + defaultListen + " --key=…",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return a.logIn(ctx, given)
		},
	}
	cmd.Flags().StringVar(&given.URL, "url", "", "address of the server, such as http://"+defaultListen)
	cmd.Flags().StringVar(&given.Key, "key", "", "API key")
	return cmd
}

func (a *app) logIn(ctx context.Context, login config.Login) error {
	f, err := a.file()
	if err != nil {
		return err
	}
	fromEnvironment := config.Override(config.Login{}, a.getenv)
	if login.URL == "" {
		login.URL = fromEnvironment.URL
	}
	if login.Key == "" {
		login.Key = fromEnvironment.Key
	}
	if err := a.ask(ctx, f, &login); err != nil {
		return err
	}
	if !strings.Contains(login.URL, "://") {
		login.URL = "http://" + login.URL
	}
	c, err := a.dial(login)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Projects(ctx); err != nil {
		if errors.Is(err, wire.APIKeyIsInvalid) || errors.Is(err, wire.NotAuthenticated) {
			return fmt.Errorf("%s does not accept this API key. `multinode up` prints the right one; run `multinode login` again with it", login.URL)
		}
		return a.explain(err, &target{})
	}
	if err := f.Save(login); err != nil {
		return err
	}
	a.screen.Note(a.screen.Notes().Green("✓") + " Logged in to " + login.URL + ". Deploy a project next: `multinode deploy DIR --project-name=NAME`")
	return nil
}

// ask completes the login by questions.
func (a *app) ask(ctx context.Context, f config.File, login *config.Login) error {
	if login.Complete() {
		return nil
	}
	answers := bufio.NewReader(a.in)
	if login.URL == "" {
		proposal := "http://" + defaultListen
		if stored, err := f.Load(); err == nil && stored.URL != "" {
			proposal = stored.URL
		}
		answer, err := a.question(ctx, "Address of the server ["+proposal+"]: ", func() (string, error) { return line(answers) })
		if err != nil {
			return fmt.Errorf("no address of a server was given (%w). Give it with --url", err)
		}
		if login.URL = answer; answer == "" {
			login.URL = proposal
		}
	}
	if login.Key == "" {
		answer, err := a.question(ctx, "API key: ", func() (string, error) { return a.hidden(answers) })
		if err == nil && answer == "" {
			err = io.EOF
		}
		if err != nil {
			return fmt.Errorf("no API key was given (%w). Give it with --key", err)
		}
		login.Key = answer
	}
	return nil
}

// question waits for an answer, or for an interrupt: a read from a terminal
// cannot be called off, so it is left behind.
func (a *app) question(ctx context.Context, text string, read func() (string, error)) (string, error) {
	fmt.Fprint(a.err, text)
	type answer struct {
		text string
		err  error
	}
	restore := terminalState(a.in)
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case g := <-got:
		return g.text, g.err
	case <-ctx.Done():
		restore()
		fmt.Fprintln(a.err)
		return "", context.Cause(ctx)
	}
}

// hidden reads a line that a terminal does not show.
func (a *app) hidden(answers *bufio.Reader) (string, error) {
	if !term.IsTerminal(a.in) {
		return line(answers)
	}
	secret, err := xterm.ReadPassword(int(a.in.(*os.File).Fd()))
	fmt.Fprintln(a.err)
	return string(secret), err
}

// terminalState returns what brings a terminal back to how it is now.
func terminalState(stream any) (restore func()) {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(f) {
		if state, err := xterm.GetState(int(f.Fd())); err == nil {
			return func() { _ = xterm.Restore(int(f.Fd()), state) }
		}
	}
	return func() {}
}

func line(answers *bufio.Reader) (string, error) {
	text, err := answers.ReadString('\n')
	if errors.Is(err, io.EOF) && text != "" {
		err = nil
	}
	return text, err
}
