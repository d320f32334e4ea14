package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode/bundle"
	"multinode/client"
	"multinode/wire"
)

//go:embed project/main.py
var project embed.FS

// writeProject writes the project's folder, with a remark that makes its code
// another one.
func writeProject(dir, remark string) error {
	text, err := project.ReadFile("project/main.py")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("REMARK=x\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.py"), append(text, "\n# "+remark+"\n"...), 0o600)
}

// deploy makes a version of the project and waits until it serves.
func (l *load) deploy(ctx context.Context, name, folder string) error {
	b, err := bundle.Pack(folder)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	var made wire.VersionInfo
	err = l.insist(ctx, func(ctx context.Context) error {
		if _, err := l.apis().PutBundle(ctx, b.Digest, b.Size, b.Open); err != nil {
			return err
		}
		var err error
		made, err = l.apis().Deploy(ctx, name, wire.DeploymentDefinition{Mode: wire.DeployEither, Bundle: b.Digest, Environment: b.Environment})
		return err
	})
	if err != nil {
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	for ctx.Err() == nil {
		v, err := l.apis().Version(ctx, name, made.VersionID)
		switch {
		case err != nil && !passing(err):
			return fmt.Errorf("look at the version %s of %s: %w", made.VersionID, name, err)
		case err == nil && v.State == wire.VersionReady:
			return nil
		case err == nil && v.State == wire.VersionFailed:
			return fmt.Errorf("the version %s of %s failed: %s", made.VersionID, name, *v.Failure)
		}
		wait(ctx, breath)
	}
	return fmt.Errorf("deploy %s: %w", name, ctx.Err())
}

// atATime bounds the projects that come and go side by side.
const atATime = 12

// comeAndGo deploys projects, one after the other, starts something in some of
// them, undeploys them and waits until they have gone, until ctx ends. It does not
// wait for one before the next: what prepares a version claims it for a while, and
// that has to run out where it died. What was begun is ended, as long as life goes
// on.
func (l *load) comeAndGo(ctx, life context.Context) {
	var all errgroup.Group
	all.SetLimit(atATime)
	for round := 1; ctx.Err() == nil; round++ {
		all.Go(func() error {
			l.visit(life, round)
			return nil
		})
		wait(ctx, time.Second+time.Duration(l.dice.next(1000))*time.Millisecond)
	}
	_ = all.Wait()
}

func (l *load) visit(ctx context.Context, round int) {
	if round%8 == 0 {
		l.upgrade(ctx, round)
		return
	}
	name := fmt.Sprintf("leaving%d", round%(2*atATime)) // some come again
	if _, here := l.here.LoadOrStore(name, true); here {
		return // the last visit takes long: its undeploy would end this one
	}
	defer l.here.Delete(name)
	err := l.come(ctx, name, round)
	if err == nil {
		err = l.gone(ctx, name)
	}
	if err != nil {
		l.violation("the project %s, which comes and goes: %v", name, err)
		return
	}
	l.fault("a project deployed and undeployed")
	if l.left != nil {
		l.left(ctx, name)
	}
}

func (l *load) come(ctx context.Context, name string, round int) error {
	folder := filepath.Join(l.dir, name)
	if err := writeProject(folder, fmt.Sprintf("round %d", round)); err != nil {
		return err
	}
	if err := l.deploy(ctx, name, folder); err != nil {
		return err
	}
	if round%2 == 0 {
		return nil // one that has nothing in flight is gone at once
	}
	for _, function := range []string{"quick", "sleeps", "family"} {
		err := l.insist(ctx, func(ctx context.Context) error {
			_, err := l.apis().Start(ctx, client.Function{Project: name, Name: function}, wire.InvocationDefinition{Input: "[[2], {}]"}, "")
			return err
		})
		if err != nil {
			return fmt.Errorf("start %s: %w", function, err)
		}
	}
	wait(ctx, time.Duration(l.dice.next(1000))*time.Millisecond)
	return nil
}

// gone undeploys a project and waits until it has gone.
func (l *load) gone(ctx context.Context, name string) error {
	err := l.insist(ctx, func(ctx context.Context) error {
		_, err := l.apis().DeleteProject(ctx, name)
		return err
	})
	if err != nil && !errors.Is(err, wire.ProjectDoesNotExist) {
		return fmt.Errorf("undeploy: %w", err)
	}
	for ctx.Err() == nil {
		_, err := l.apis().Project(ctx, name)
		switch {
		case errors.Is(err, wire.ProjectDoesNotExist):
			return nil
		case err != nil && !passing(err):
			return fmt.Errorf("look whether it has gone: %w", err)
		}
		wait(ctx, breath)
	}
	return fmt.Errorf("it was undeployed and has not gone: %w", ctx.Err())
}

func (l *load) upgrade(ctx context.Context, round int) {
	folder := filepath.Join(l.dir, fmt.Sprintf("upgraded%d", round))
	err := writeProject(folder, fmt.Sprintf("upgrade %d", round))
	if err == nil {
		err = l.deploy(ctx, projectName, folder)
	}
	if err != nil {
		l.violation("an upgrade: %v", err)
		return
	}
	l.fault("an upgrade of the project under load")
}
