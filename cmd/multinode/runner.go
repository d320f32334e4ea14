package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"multinode/runner"
	"multinode/streams"
)

// What a worker is told by its environment, and the user's code is not.
const (
	natsURLVariable      = "MULTINODE_NATS_URL"
	natsCredsVariable    = "MULTINODE_NATS_CREDS"
	natsCredsText        = "MULTINODE_NATS_CREDS_TEXT"
	natsCAVariable       = "MULTINODE_NATS_CA"
	apiCAVariable        = "MULTINODE_API_CA"
	executionKeyVariable = "MULTINODE_EXECUTION_KEY"
	workerDirVariable    = "MULTINODE_WORKER_DIR"
	pythonVariable       = "MULTINODE_PYTHON"
	projectDirVariable   = "MULTINODE_PROJECT_DIR"
)

// hidden are all of them.
var hidden = []string{
	natsURLVariable, natsCredsVariable, natsCredsText, natsCAVariable, apiCAVariable, executionKeyVariable,
	workerDirVariable, pythonVariable, projectDirVariable,
}

// executionIDVariable is told to both.
const executionIDVariable = "MULTINODE_EXECUTION_ID"

// runnerCommand is the program in a worker. Provisioners start it; people do not.
func (a *app) runnerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "runner",
		Short:  "Run one execution (started by the server)",
		Hidden: true,
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return a.runWorker(ctx)
		},
	}
}

func (a *app) runWorker(ctx context.Context) error {
	needed := []string{natsURLVariable, executionKeyVariable, pythonVariable, projectDirVariable, executionIDVariable}
	var missing []string
	for _, name := range needed {
		if a.getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	// A container gets the credentials themselves: it shares no folder with anybody.
	if a.getenv(natsCredsVariable) == "" && a.getenv(natsCredsText) == "" {
		missing = append(missing, natsCredsVariable)
	}
	if len(missing) > 0 {
		return usage("%s not set: `multinode runner` is started by the server, run `multinode invoke` instead", strings.Join(missing, ", "))
	}
	logger := slog.New(slog.NewTextHandler(a.err, nil))
	connection := streams.WorkerOptions{
		URL: a.getenv(natsURLVariable), CA: a.getenv(natsCAVariable),
		Credentials: a.getenv(natsCredsVariable), CredentialsText: a.getenv(natsCredsText),
		Execution: a.getenv(executionIDVariable), Key: a.getenv(executionKeyVariable), Logger: logger,
	}
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(hidden, name)
	})
	if ca := a.getenv(apiCAVariable); ca != "" {
		bundle, err := writeAuthorities(ca)
		if err != nil {
			return err
		}
		environment = append(environment, "SSL_CERT_FILE="+bundle)
	}
	err := runner.Run(ctx, runner.Options{
		Dial:        func(ctx context.Context) (runner.Link, error) { return streams.DialWorker(ctx, connection) },
		Python:      a.getenv(pythonVariable),
		ProjectDir:  a.getenv(projectDirVariable),
		WorkerDir:   a.getenv(workerDirVariable),
		Environment: environment,
		Limits:      runner.DefaultLimits(),
		Logger:      logger,
	})
	if errors.Is(err, runner.ErrLeft) {
		logger.Info("this worker is not wanted any more")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the worker of execution %s: %w", connection.Execution, err)
	}
	return nil
}

// systemAuthorities is where images have those that they trust.
var systemAuthorities = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
}

// writeAuthorities writes a file of the authorities that the machine trusts, and this
// one: the user's code is to reach the API, and still everybody else.
func writeAuthorities(ca string) (string, error) {
	var all []byte
	for _, path := range systemAuthorities {
		if own, err := os.ReadFile(path); err == nil {
			all = append(all, append(own, '\n')...)
			break
		}
	}
	file, err := os.CreateTemp("", "multinode-authorities-*.pem")
	if err != nil {
		return "", fmt.Errorf("write the certificate authorities: %w", err)
	}
	_, err = file.Write(append(all, ca...))
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write the certificate authorities: %w", err)
	}
	return file.Name(), nil
}
