package fakeecs

import (
	"crypto/md5" //nolint:gosec // what the queue's protocol asks for
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// QueuePath is the path of the one queue, after the server's URL. It gets an event
// for each change of each task, as an EventBridge rule sends it.
const QueuePath = "/" + Account + "/task-changes"

type message struct {
	body    string
	receipt string
	until   time.Time // unseen by others until then
	seen    int       // how often it was received
}

// A message that was received so often and not deleted goes to the dead-letter
// queue; between two receptions it is unseen for a while.
const (
	maxReceive = 5
	unseen     = 30 * time.Second
)

// publish puts the change of a task into the queue.
func (s *Server) publish(t *task) {
	body, _ := json.Marshal(map[string]any{
		"version": "0", "source": "aws.ecs", "detail-type": "ECS Task State Change",
		"account": Account, "region": Region, "resources": []string{t.arn}, "detail": event(t.view(false)),
	})
	s.queue = append(s.queue, &message{body: string(body)})
	if s.options.KeepEvents {
		s.events = append(s.events, string(body))
	}
	if len(s.queue) > 10_000 {
		s.queue = s.queue[1:]
	}
}

// event writes times as events do.
func event(v view) view {
	for _, at := range []*any{&v.CreatedAt, &v.StartedAt, &v.StoppedAt} {
		if epoch, ok := (*at).(float64); ok {
			*at = time.UnixMilli(int64(epoch * 1000)).UTC().Format(time.RFC3339Nano)
		}
	}
	return v
}

// SendMessage puts any body into the queue.
func (s *Server) SendMessage(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, &message{body: body})
	s.wake()
}

// Queued is how many messages nobody has deleted.
func (s *Server) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// Dead returns what is in the dead-letter queue.
func (s *Server) Dead() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dead)
}

// awaitMessage is the long poll of ReceiveMessage.
func (s *Server) awaitMessage(body []byte, r *http.Request) {
	var in struct{ WaitTimeSeconds int }
	_ = json.Unmarshal(body, &in)
	timeout := time.After(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		s.mu.Lock()
		changed, any := s.changed, s.receivable() != nil
		s.mu.Unlock()
		if any {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) receivable() *message {
	now := s.options.Clock.Now()
	for i := 0; i < len(s.queue); i++ {
		m := s.queue[i]
		if now.Before(m.until) {
			continue
		}
		if m.seen < maxReceive {
			return m
		}
		s.dead = append(s.dead, m.body)
		s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
		i--
	}
	return nil
}

func (s *Server) receive(in struct {
	QueueURL            string `json:"QueueUrl"`
	MaxNumberOfMessages int
	WaitTimeSeconds     int
}) (any, *failure) {
	if in.QueueURL != s.URL+QueuePath {
		return nil, &failure{Type: "com.amazonaws.sqs#QueueDoesNotExist", Message: "The specified queue does not exist."}
	}
	if in.MaxNumberOfMessages > 10 || in.WaitTimeSeconds > 20 {
		return nil, &failure{Type: "com.amazonaws.sqs#InvalidParameterValue", Message: "at most 10 messages and 20 seconds"}
	}
	messages := []map[string]string{}
	for range max(in.MaxNumberOfMessages, 1) {
		m := s.receivable()
		if m == nil {
			break
		}
		s.receipts++
		m.seen++
		m.receipt, m.until = strconv.Itoa(s.receipts), s.options.Clock.Now().Add(unseen)
		sum := md5.Sum([]byte(m.body)) //nolint:gosec // see above
		messages = append(messages, map[string]string{
			"MessageId": m.receipt, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]),
		})
	}
	return map[string]any{"Messages": messages}, nil
}

func (s *Server) deleteMessage(in struct{ ReceiptHandle string }) (any, *failure) {
	for i, m := range s.queue {
		if m.receipt == in.ReceiptHandle && m.receipt != "" {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			s.wake()
			break
		}
	}
	return map[string]any{}, nil
}

func (s *Server) deleteMessages(in struct {
	Entries []struct{ ID, ReceiptHandle string }
}) (any, *failure) {
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return nil, &failure{Type: "com.amazonaws.sqs#TooManyEntriesInBatchRequest", Message: "1 to 10 entries"}
	}
	done := []map[string]string{}
	for _, entry := range in.Entries {
		_, _ = s.deleteMessage(struct{ ReceiptHandle string }{entry.ReceiptHandle})
		done = append(done, map[string]string{"Id": entry.ID})
	}
	return map[string]any{"Successful": done, "Failed": []any{}}, nil
}

func (s *Server) logEvents(in struct {
	LogGroupName, LogStreamName string
	Limit                       int
}) (any, *failure) {
	lines, ok := s.logs[in.LogStreamName]
	if in.LogGroupName != LogGroup || !ok {
		return nil, &failure{Type: "ResourceNotFoundException", Message: "The specified log stream does not exist."}
	}
	if in.Limit > 0 && len(lines) > in.Limit {
		lines = lines[len(lines)-in.Limit:]
	}
	events := []map[string]any{}
	for _, line := range lines {
		events = append(events, map[string]any{"message": line, "timestamp": s.options.Clock.Now().UnixMilli()})
	}
	return map[string]any{"events": events}, nil
}
