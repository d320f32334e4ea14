// Multinode runs Python functions as asynchronous tasks: this is its command
// line, its server and its worker in one program.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	home, _ := os.UserHomeDir() // without one, what needs it says so
	os.Exit(run(context.Background(), os.Args[1:], console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		getenv: os.Getenv, home: home,
		interrupts: interrupts,
		poll:       500 * time.Millisecond,
	}))
}
