package build

import "time"

// ForgetPip makes the builder do without the pip wheel that Python brings.
func (b *Builder) ForgetPip() { b.python.Pip = "" }

// KeepOlder is Keep with another age.
func (b *Builder) KeepOlder(digests []string, age time.Duration) error { return b.keep(digests, age) }
