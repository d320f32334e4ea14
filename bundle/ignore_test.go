package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRules(t *testing.T) {
	for _, test := range []struct {
		rules, path string
		folder      bool
		out         bool
	}{
		{"*.log", "a/b.log", false, true},
		{"*.log", "a/b.log.txt", false, false},
		{"/a.log", "b/a.log", false, false},
		{"a/b", "x/a/b", false, false},
		{"build/", "build", false, false},
		{"build/", "x/build", true, true},
		{"a?c", "abc", false, true},
		{"a?c", "ac", false, false},
		{"[!a]x", "bx", false, true},
		{"[!a]x", "ax", false, false},
		{"[a-c]x", "bx", false, true},
		{"c++", "c++", false, true},
		{"a(1)$.txt", "a(1)$.txt", false, true},
		{"**/x", "a/b/x", false, true},
		{"a/**", "a/b/c", false, true},
		{"a/**", "a", true, false},
		{"a/**/z", "a/z", false, true},
		{"a/**/z", "a/b/c/z", false, true},
		{"a/*/z", "a/b/c/z", false, false},
		{`\#x`, "#x", false, true},
		{"#x", "#x", false, false},
		{`\!x`, "!x", false, true},
		{"x  ", "x", false, true},
		{`x\ `, "x ", false, true},
		{"*\n!x", "x", false, false},
		{"*\n!x\nx", "x", false, true},
		{"\ufeffx\r\ny\r\n", "x", false, true},
		{"[a", "[a", false, false},
		{"/", "x", false, false},
	} {
		r := rules{{inside: parseRules([]byte(test.rules), gitIgnore)}}
		if _, out := r.ignore(test.path, test.folder); out != test.out {
			t.Errorf("rules %q, path %q: left out is %v", test.rules, test.path, out)
		}
	}
}

// TestSameAsGit compares with git itself on random trees and rules.
func TestSameAsGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("this test needs git: install it")
	}
	base := t.TempDir()
	git := func(rt *rapid.T, dir string, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
		out, err := cmd.Output()
		if err != nil {
			rt.Fatalf("git %v: %v", args, err)
		}
		return string(out)
	}
	name := rapid.StringMatching(`[ab]{1,2}|a\.b|a-|\[b`)
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "*", "?", "/", "/**/", "[ab]", "[!a]", "[.-b]", "[", "]", `\a`, `\*`, ".", "-", " "})
	line := rapid.Custom(func(rt *rapid.T) string {
		prefix := rapid.SampledFrom([]string{"", "", "", "!", "/", "#", "**/", "!**/"}).Draw(rt, "prefix")
		return prefix + strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(rt, "pieces"), "") +
			rapid.SampledFrom([]string{"", "", "/", "\r", "/**"}).Draw(rt, "end")
	}).Filter(func(line string) bool {
		// Git takes "a**/b" for "a" and "**/b", against its own documentation.
		return !regexp.MustCompile(`[^/!]\*\*|\*\*[^/]`).MatchString(strings.TrimSuffix(line, "\r"))
	})
	ignoreFile := rapid.SliceOfN(line, 1, 5)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		write := func(name, text string) {
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				return // a file is there already: this path is passed over
			}
			if info, err := os.Stat(at); err == nil && info.IsDir() {
				return
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		for _, parts := range rapid.SliceOfN(rapid.SliceOfN(name, 1, 3), 1, 8).Draw(rt, "paths") {
			write(filepath.Join(parts...), "")
		}
		write(gitIgnore, strings.Join(ignoreFile.Draw(rt, "rules"), "\n"))
		if info, err := os.Stat(filepath.Join(dir, "a")); err == nil && info.IsDir() {
			write(filepath.Join("a", gitIgnore), strings.Join(ignoreFile.Draw(rt, "inner rules"), "\n"))
		}
		git(rt, dir, "init", "-q")
		want := strings.Split(strings.TrimSuffix(git(rt, dir, "ls-files", "-o", "--exclude-standard", "-z"), "\x00"), "\x00")
		slices.Sort(want)
		if len(want) == 1 && want[0] == "" {
			want = nil
		}
		w := &walker{root: dir}
		if err := w.walk("", nil); err != nil {
			rt.Fatal(err)
		}
		var got []string
		for _, e := range w.entries {
			if e.kind != folder {
				got = append(got, e.path)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			rt.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}
