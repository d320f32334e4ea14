package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"multinode/images/order"
)

// Variables that the program finds its order by. Neither pip nor main.py get them.
const (
	URLVariable    = "MULTINODE_BUILD_URL"
	TicketVariable = "MULTINODE_BUILD_TICKET"
	// CAVariable has the PEM text of authorities that vouch for the API; optional.
	CAVariable = "MULTINODE_API_CA"
)

// Program is `multinode build-image`: Run with an order that the environment names.
// A build that is not wanted any more is no error.
func Program(ctx context.Context, getenv func(string) string, logger *slog.Logger) error {
	url, ticket := getenv(URLVariable), getenv(TicketVariable)
	if url == "" || ticket == "" {
		return fmt.Errorf("%s and %s are not set: `multinode build-image` is started by the server, run `multinode deploy` instead", URLVariable, TicketVariable)
	}
	if err := errors.Join(closeMemory(), os.Unsetenv(TicketVariable)); err != nil {
		return fmt.Errorf("hiding the ticket from the user's code: %w", err)
	}
	// Base images have it where a fresh volume is: not in memory, as /tmp may be.
	if err := os.MkdirAll(os.TempDir(), 0o700); err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	control, err := order.NewClient(url, ticket, getenv(CAVariable))
	if err != nil {
		return err
	}
	err = Run(ctx, Options{Control: control, Logger: logger})
	if errors.Is(err, order.ErrOver) {
		logger.Info("this build is not wanted any more")
		return nil
	}
	return err
}
