package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/cmd/multinode/internal/config"
)

// file is where this user's login is kept.
func (a *app) file() (config.File, error) {
	if a.home == "" {
		return config.File{}, errors.New("there is no home folder to keep the login in. Set HOME, or " + config.URLVariable + " and " + config.KeyVariable)
	}
	return config.At(a.home), nil
}

// login is the stored login with what the environment overrides.
func (a *app) login() (config.Login, error) {
	login := config.Override(config.Login{}, a.getenv)
	if login.Complete() {
		return login, nil
	}
	f, err := a.file()
	if err != nil {
		return config.Login{}, err
	}
	stored, err := f.Load()
	if err != nil {
		return config.Login{}, err
	}
	return config.Override(stored, a.getenv), nil
}

// connect makes a client from the login.
func (a *app) connect() (*client.Client, error) {
	login, err := a.login()
	if err != nil {
		return nil, err
	}
	switch {
	case login.URL == "" && login.Key == "":
		return nil, errors.New("you are not logged in. Run `multinode login`, and before it `multinode up` if no server runs yet")
	case login.URL == "":
		return nil, errors.New("there is an API key, but no address of a server. Run `multinode login`, or set " + config.URLVariable)
	case login.Key == "":
		return nil, errors.New("there is no API key for " + login.URL + ". Run `multinode login`, or set " + config.KeyVariable)
	}
	return a.dial(login)
}

func (a *app) dial(login config.Login) (*client.Client, error) {
	c, err := client.New(client.Options{URL: login.URL, Key: login.Key, UserAgent: "multinode/" + version()})
	if err != nil {
		return nil, fmt.Errorf("%w. To mend it, %s", err, a.anotherServer(login.URL, "run `multinode login` and give another one"))
	}
	return c, nil
}

// action runs a command that talks to the server, until it is done or
// interrupted, and explains its error.
func (a *app) action(t *target, do func(ctx context.Context, c *client.Client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, stop := a.interruptible(cmd.Context())
		defer stop()
		return a.explain(do(ctx, c), t)
	}
}
