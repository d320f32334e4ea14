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
