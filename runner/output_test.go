package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"multinode"
)

func TestReadLines(t *testing.T) {
	for input, want := range map[string][]string{
		"":                                       nil,
		"a\nb\n":                                 {"a", "b"},
		"a\r\n\n":                                {"a", ""},
		"no end":                                 {"no end"},
		"12345678\nx":                            {"12345678", "x"},
		"123456789abcdefghij\n":                  {"12345678", "9abcdefg", "hij"},
		"1234567é\n":                             {"1234567", "é"},
		"a\xffb\n":                               {"a\uFFFDb"},
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\n": {"\uFFFD", "\uFFFD"},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			var got []string
			readLines(wrap(strings.NewReader(input)), 8, func(line string) { got = append(got, line) })
			if !slices.Equal(got, want) {
				t.Errorf("%s, %q: got %q, want %q", name, input, got, want)
			}
		}
	}
}

func TestReadFrame(t *testing.T) {
	whole := appendFrame(nil, frame{frameOutput, []byte("text")})
	got, err := readFrame(bytes.NewReader(whole))
	if err != nil || got.kind != frameOutput || string(got.body) != "text" {
		t.Errorf("got %v, %v", got, err)
	}
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":      {nil, io.EOF},
		"half a head":  {whole[:3], io.ErrUnexpectedEOF},
		"half a body":  {whole[:7], io.ErrUnexpectedEOF},
		"unknown kind": {[]byte("?\x00\x00\x00\x00"), errFrame},
		"not for us":   {appendFrame(nil, frame{frameInput, nil}), errFrame},
		"too large":    {[]byte("O\xff\x00\x00\x00"), errFrame},
	} {
		if _, err := readFrame(bytes.NewReader(test.data)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// startBook runs a logbook over a memory link until the bubble ends.
func startBook(t *testing.T, limits Limits) (*memoryLink, *logbook) {
	link := newMemoryLink(multinode.Assignment{})
	book := newLogbook(limits, link, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		<-book.done
	})
	go book.run(ctx)
	return link, book
}

func TestLinesAreBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		link, book := startBook(t, limits)
		book.add(streamStdout, "first")
		synctest.Wait()
		if batches, _ := link.stored(); batches != 1 {
			t.Fatalf("the first line was not stored at once: %d batches", batches)
		}
		for range 10 {
			book.add(streamStdout, "soon after")
		}
		synctest.Wait()
		if batches, _ := link.stored(); batches != 1 {
			t.Fatalf("lines did not wait for others: %d batches", batches)
		}
		<-time.After(limits.LogDelay)
		synctest.Wait()
		if batches, lines := link.stored(); batches != 2 || lines != 11 {
			t.Fatalf("%d batches with %d lines", batches, lines)
		}
		book.add(streamStdout, "x")
		book.add(streamStdout, strings.Repeat("x", limits.LogBatch-lineOverhead))
		synctest.Wait()
		if _, lines := link.stored(); lines != 13 {
			t.Fatalf("a full batch had to wait: %d lines", lines)
		}
		book.close()
		<-book.done
	})
}

func TestFullWindowBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		limits.LogWindow, limits.LogBatch = 1000, 500
		link, book := startBook(t, limits)
		link.set(func(l *memoryLink) { l.offline = true })
		added := 0
		go func() {
			for range 100 {
				book.add(streamStdout, strings.Repeat("x", 100))
				added++
			}
			book.close()
		}()
		synctest.Wait()
		if added == 0 || added > 12 {
			t.Errorf("%d lines of 100 bytes were taken into a window of 1000", added)
		}
		link.set(func(l *memoryLink) { l.offline = false })
		<-book.done
		if len(link.lines) != 100 {
			t.Errorf("%d lines were stored of 100", len(link.lines))
		}
	})
}

func TestLogsThatCannotBeStoredAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		link, book := startBook(t, limits)
		link.set(func(l *memoryLink) { l.hold = make(chan struct{}) })
		book.add(streamStdout, "lost")
		synctest.Wait()
		<-time.After(limits.Flush)
		synctest.Wait()
		link.set(func(l *memoryLink) { l.hold = nil })
		book.close()
		<-book.done
		if got := link.text(); got != "system: 1 lines of output could not be stored and are lost\n" {
			t.Errorf("stored:\n%s", got)
		}
	})
}

func TestLogCap(t *testing.T) {
	e := prepare(t, "@mn.function()\ndef f():\n for i in range(1000): print(f'{i:03}')\n return 1")
	e.options.Limits.LogBytes = 40
	e.start().expect(multinode.OutcomeSucceeded, "1", "")
	want := "system: the output exceeds 40 bytes per execution: what follows is not kept\n"
	if text := e.link.text(); !strings.HasSuffix(text, "stdout: 009\n"+want) {
		t.Errorf("the log is:\n%s", text)
	}
}

func TestYieldsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newMemoryLink(multinode.Assignment{})
		y := newYields(link, slog.New(slog.NewTextHandler(t.Output(), nil)))
		go y.run(t.Context())
		y.set([]byte("1"))
		synctest.Wait()
		link.set(func(l *memoryLink) { l.hold = make(chan struct{}) })
		for _, text := range []string{"2", "3", "4", "5"} {
			y.set([]byte(text))
			synctest.Wait()
		}
		y.close()
		link.set(func(l *memoryLink) { l.hold = nil })
		<-y.done
		if want := []string{"1", "2", "5"}; !slices.Equal(link.yields, want) {
			t.Errorf("stored %v, want %v", link.yields, want)
		}
	})
}
