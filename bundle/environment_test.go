package bundle_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"multinode/bundle"
)

func TestParseEnvironment(t *testing.T) {
	text := "\ufeff# comment\r\n\r\nPLAIN=value\r\n" +
		"  export  SPACED =  a b  # comment\n" +
		"HASH=a#b\nEMPTY=\nONLY_COMMENT= # nothing\nexport=1\n" +
		"SINGLE='$HOME \\n \"x\"' # yes\n" +
		`DOUBLE="a \"q\" \\ \n \t \$X \z"` + "\n" +
		"LINES=\"one\ntwo\"\nKEY='-----BEGIN\nEND-----\n'\n" +
		"URL=https://x/?a=b&c=d\nAPOSTROPHE=it's\n_x1=é☃\nTWICE=1\nTWICE=2"
	want := map[string]string{
		"PLAIN": "value", "SPACED": "a b", "HASH": "a#b", "EMPTY": "", "ONLY_COMMENT": "", "export": "1",
		"SINGLE": `$HOME \n "x"`, "DOUBLE": "a \"q\" \\ \n \t $X \\z", "LINES": "one\ntwo", "KEY": "-----BEGIN\nEND-----\n",
		"URL": "https://x/?a=b&c=d", "APOSTROPHE": "it's", "_x1": "é☃", "TWICE": "2",
	}
	got, err := bundle.ParseEnvironment([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestMalformedEnvironment(t *testing.T) {
	for text, want := range map[string]struct {
		line int
		says string
	}{
		"A=1\nhunter2\n":                  {2, "NAME=VALUE"},
		"export hunter2":                  {1, "NAME=VALUE"},
		"=hunter2":                        {1, "NAME=VALUE"},
		"A=1\n\n# x\n1A=hunter2":          {4, "letters"},
		"A-B=hunter2":                     {1, "letters"},
		"A: hunter2=":                     {1, "letters"},
		"A='x\ny'\nB=\"hunter2":           {3, "never closed"},
		"A=\"x\ny\" hunter2":              {2, "after the closing quote"},
		"A=1\nMULTINODE_API_KEY=hunter2":  {2, "MULTINODE_"},
		"A=1\nB=hunter2\x00":              {2, "zero byte"},
		"A=1\nB=\"hunter2\x00\"":          {2, "zero byte"},
		"A=é\nB=\xffhunter2":              {2, "UTF-8"},
		"A=" + strings.Repeat("x", 1<<17): {0, "KiB"},
	} {
		_, err := bundle.ParseEnvironment([]byte(text))
		var fault *bundle.EnvironmentError
		if !errors.As(err, &fault) {
			t.Errorf("%.30q: %v", text, err)
			continue
		}
		if fault.Line != want.line || !strings.Contains(fault.Error(), want.says) || strings.Contains(fault.Error(), "hunter2") {
			t.Errorf("%.30q: %v", text, err)
		}
		if want.line > 0 && !strings.Contains(fault.Error(), fmt.Sprintf("line %d", want.line)) {
			t.Errorf("%v does not tell the line", fault)
		}
	}
}

func TestValidateEnvironment(t *testing.T) {
	for name, bad := range map[string]map[string]string{
		"name": {"A B": "x"}, "no name": {"": "x"}, "reserved": {"MULTINODE_X": "x"}, "zero": {"A": "\x00"},
		"encoding": {"A": "\xff"}, "size": {"A": strings.Repeat("x", 1<<17)},
	} {
		var fault *bundle.EnvironmentError
		if err := bundle.ValidateEnvironment(bad); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := bundle.ValidateEnvironment(map[string]string{"A": "multi\nline", "b_1": ""}); err != nil {
		t.Error(err)
	}
}

func FuzzParseEnvironment(f *testing.F) {
	for _, seed := range []string{"A=1\n", "export A='x\ny' # z", `A="\n\"" `, "A", "=\x00", "\ufeffA=\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := bundle.ParseEnvironment(text)
		if err != nil {
			var fault *bundle.EnvironmentError
			if !errors.As(err, &fault) {
				t.Fatalf("%T", err)
			}
			if fault.Line < 0 || fault.Line > 1+strings.Count(string(text), "\n") {
				t.Fatalf("line %d of %q", fault.Line, text)
			}
			return
		}
		if err := bundle.ValidateEnvironment(got); err != nil {
			t.Fatalf("parsed %q to %q, but: %v", text, got, err)
		}
		// What was parsed comes back from its simplest form.
		for name, value := range got {
			line := name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`).Replace(value) + `"`
			again, err := bundle.ParseEnvironment([]byte(line))
			if len(line) > bundle.MaxEnvironment {
				continue
			}
			if err != nil || again[name] != value {
				t.Fatalf("%q came back as %q, %v", line, again[name], err)
			}
		}
	})
}
