// Package examples holds the project that `multinode demo` deploys.
package examples

import "embed"

// Demo is the folder demo, with main.py in it.
//
//go:embed demo
var Demo embed.FS
