package fakeecs_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jonboulle/clockwork"

	"multinode/dispatcher/provision/fargate/fakeecs"
)

func TestAMessageIsReceivedUntilItIsDeleted(t *testing.T) {
	clock := clockwork.NewFakeClock()
	s := fakeecs.New(fakeecs.Options{Clock: clock})
	t.Cleanup(s.Close)
	queue, url := sqs.NewFromConfig(config(s)), aws.String(s.URL+fakeecs.QueuePath)
	receive := func() []types.Message {
		t.Helper()
		out, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		return out.Messages
	}
	for i := range 12 {
		s.SendMessage(strconv.Itoa(i))
	}
	first := receive()
	if second := receive(); len(first) != 10 || len(second) != 2 || len(receive()) != 0 {
		t.Errorf("received %d and %d", len(first), len(second))
	}
	var entries []types.DeleteMessageBatchRequestEntry
	for _, m := range first {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
	}
	if _, err := queue.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: entries}); err != nil {
		t.Fatal(err)
	}
	// What is not deleted comes again, with another receipt, and not for ever.
	for range 4 {
		clock.Advance(30 * time.Second)
		if again := receive(); len(again) != 2 || *again[0].Body != "10" {
			t.Errorf("received %d", len(again))
		}
	}
	clock.Advance(30 * time.Second)
	if again := receive(); len(again) != 0 || !slices.Equal(s.Dead(), []string{"10", "11"}) || s.Queued() != 0 {
		t.Errorf("received %d, dead are %v", len(again), s.Dead())
	}
}

func TestTheQueueIsHeldToTheRules(t *testing.T) {
	s := fakeecs.New(fakeecs.Options{})
	t.Cleanup(s.Close)
	queue, url := sqs.NewFromConfig(config(s)), aws.String(s.URL+fakeecs.QueuePath)
	for name, in := range map[string]*sqs.ReceiveMessageInput{
		"QueueDoesNotExist":     {QueueUrl: aws.String(s.URL + "/123456789012/other")},
		"InvalidParameterValue": {QueueUrl: url, MaxNumberOfMessages: 11},
	} {
		if _, err := queue.ReceiveMessage(t.Context(), in); code(err) != name {
			t.Errorf("%v, not %s", err, name)
		}
	}
	if _, err := queue.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: make([]types.DeleteMessageBatchRequestEntry, 0)}); err == nil {
		t.Error("a batch of nothing is deleted")
	}
}

// A long poll ends when something comes.
func TestALongPollWaits(t *testing.T) {
	s := fakeecs.New(fakeecs.Options{})
	t.Cleanup(s.Close)
	queue := sqs.NewFromConfig(config(s))
	got := make(chan int, 1)
	go func() {
		out, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.URL + fakeecs.QueuePath), WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
		}
		got <- len(out.Messages)
	}()
	s.SendMessage("{}")
	if n := <-got; n != 1 {
		t.Errorf("received %d", n)
	}
}
