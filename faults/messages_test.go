package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestOperationsOfNATSAreToldApart(t *testing.T) {
	protocol := []struct {
		text    string
		message bool
	}{
		{"INFO {\"nonce\":\"x 5\"}\r\n", false}, {"+OK\r\n", false}, {"PING\r\n", false}, {"SUB a.> 1\r\n", false},
		{"PUB a 5\r\nPUB 1\r\n", true}, {"pub a b 0\r\n\r\n", true}, {"HPUB a b 3 6\r\nxyz\r\n\r\r\n", true},
		{"MSG a 1 2\r\n\r\n\r\n", true}, {"HMSG a 1 b 2 2\r\nab\r\n", true}, {"-ERR 'x y'\r\n", false},
	}
	var all strings.Builder
	for _, each := range protocol {
		all.WriteString(each.text)
	}
	in := bufio.NewReader(strings.NewReader(all.String()))
	for _, want := range protocol {
		text, message, err := readOperation(in)
		if err != nil || string(text) != want.text || message != want.message {
			t.Errorf("%q: read %q, %v, %v", want.text, text, message, err)
		}
	}
	if _, _, err := readOperation(in); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
	if _, _, err := readOperation(bufio.NewReader(strings.NewReader("PUB a x\r\n"))); err == nil {
		t.Error("a size that is none was read")
	}
}

func TestMessagesAreLostAndRepeated(t *testing.T) {
	const sent = 4000
	l := newLedger()
	m := &messages{dice: newDice(1), fault: l.fault}
	var out strings.Builder
	if err := m.pass(&out, strings.NewReader(strings.Repeat("PUB a 1\r\nx\r\nPING\r\n", sent)), "to NATS"); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	lost, repeated := l.faults["a message to NATS lost"], l.faults["a message to NATS repeated"]
	if lost == 0 || repeated == 0 || strings.Count(out.String(), "PUB") != sent-lost+repeated {
		t.Errorf("of %d sent %d arrived, %d were lost, %d repeated", sent, strings.Count(out.String(), "PUB"), lost, repeated)
	}
	if pings := strings.Count(out.String(), "PING\r\n"); pings != sent {
		t.Errorf("%d of %d pings arrived", pings, sent)
	}
}
