package build

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// minSecret is the length in bytes below which a value is not looked for: "1" or
// "on" are no secrets, and hiding them would make any message unreadable.
const minSecret = 4

const redacted = "[.env value]"

// redactor hides the values of a .env file in text.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(environment map[string]string) redactor {
	var secrets []string
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) >= minSecret {
			secrets = append(secrets, s)
		}
	}
	// As Python's repr writes it, which is how values get into messages.
	repr := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	for _, value := range environment {
		add(value)
		add(repr.Replace(value))
		for _, line := range strings.Split(value, "\n") { // text is told line by line
			add(line)
			add(repr.Replace(line))
		}
	}
	// The longest first: a value may be part of another.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, s := range slices.Compact(secrets) {
		pairs = append(pairs, s, redacted)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

func (r redactor) redact(text string) string { return r.replacer.Replace(text) }

// redactError keeps the kind of the error, and its chain where nothing in its
// text had to be hidden.
func (r redactor) redactError(err error) error {
	var failure *Failure
	if errors.As(err, &failure) {
		return &Failure{Detail: r.redact(failure.Detail)}
	}
	if err == nil || r.redact(err.Error()) == err.Error() {
		return err
	}
	return errors.New(r.redact(err.Error()))
}
