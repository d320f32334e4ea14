package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// benchProject has a function that keeps its only slot, one that says when its
// first line ran, one that ends after the client has begun to wait, and one whose
// only slot is soon free again.
const benchProject = `
import time
from multinode import Multinode

mn = Multinode()

@mn.function(max_concurrency=1)
def block(*args, **kwargs):
    time.sleep(3600)

@mn.function()
def now():
    return time.time_ns()

@mn.function()
def later():
    time.sleep(0.3)

@mn.function(max_concurrency=1)
def queued():
    pass
`

// manyFunctions is a project of n functions.
func manyFunctions(n int) string {
	var b strings.Builder
	b.WriteString("from multinode import Multinode\nmn = Multinode()\n")
	for i := range n {
		fmt.Fprintf(&b, "\n@mn.function()\ndef f%d():\n    pass\n", i)
	}
	return b.String()
}

// writeProject makes a project folder with this main.py.
func writeProject(dir, main string) (string, error) {
	project := filepath.Join(dir, "project")
	if err := os.MkdirAll(project, 0o755); err != nil {
		return "", err
	}
	return project, os.WriteFile(filepath.Join(project, "main.py"), []byte(main), 0o644)
}
