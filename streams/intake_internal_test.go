package streams

import (
	"strconv"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
)

func TestTheEndOfAPullThatWasGivenUpAsksForNoOther(t *testing.T) {
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	i := (&Store{nc: nc}).NewIntake(func(*Delivery) {})
	p := &pull{function: multinode.Function{Name: "fn"}, stream: "s"}
	i.pulls["s"] = p
	i.request(p, time.Now())
	lost := p.number
	i.forget() // the connection broke, and the server may not have noticed
	i.refill()
	asked := i.next
	i.ended(strconv.Itoa(lost), "408")
	if i.next != asked || p.remaining != pullBatch {
		t.Errorf("%d pulls were asked for instead of %d", i.next, asked)
	}
	i.ended(strconv.Itoa(p.number), "408")
	if i.next != asked+1 || len(i.byNumber) != 1 {
		t.Errorf("%d pulls were asked for instead of %d, %d are known", i.next, asked+1, len(i.byNumber))
	}
}

// TestAConsumerThatIsLostIsMadeAgain: while requests are pulled, too.
func TestAConsumerThatIsLostIsMadeAgain(t *testing.T) {
	s := openInternal(t)
	p, err := s.CreateProject(t.Context(), "p")
	check(t, err)
	v := versionOf(t, s, p)
	check(t, s.Activate(t.Context(), v))
	delivered := make(chan string, 10)
	go func() {
		_ = s.NewIntake(func(d *Delivery) {
			delivered <- d.Key.ID
			_ = d.Ack(t.Context())
		}).Run(t.Context())
	}()
	for _, id := range []string{"before", "after"} {
		k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "fn", ID: id}
		_, err := s.Accept(t.Context(), Request{Key: k, Version: v.ID, Input: []byte("[[],{}]")})
		check(t, err)
		for got := ""; got != id; {
			select {
			case got = <-delivered:
			case <-time.After(time.Minute):
				t.Fatalf("the request %q is not delivered", id)
			}
		}
		check(t, s.js.DeleteConsumer(t.Context(), requestStream(p.Name, p.Generation, "fn"), consumerName))
	}
}
