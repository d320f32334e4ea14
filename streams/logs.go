package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// LogBatch is some lines of one execution, in their order.
type LogBatch struct {
	Execution string
	Lines     []multinode.LogLine
}

// PutLogs stores lines of an execution's log in the dispatcher's own name.
func (s *Store) PutLogs(ctx context.Context, k multinode.ExecutionKey, lines []multinode.LogLine) error {
	data, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	_, err = s.js.Publish(ctx, logSubject(k), data, jetstream.WithRetryAttempts(0))
	return classify("store the log", err)
}

// Logs returns at most max lines of an execution's log from an offset on, oldest
// first, and the offset of what follows; that is empty where nothing does yet.
// The empty offset is the beginning. It returns ErrOffset for an offset that it
// did not make.
func (s *Store) Logs(ctx context.Context, k multinode.ExecutionKey, offset string, maxLines int) ([]multinode.LogLine, string, error) {
	sequence, skip, err := parseLogOffset(offset)
	if err != nil {
		return nil, "", err
	}
	var lines []multinode.LogLine
	for {
		m, err := s.logsStream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(logSubject(k)))
		if err = classify("read the log", err); isNotFound(err) {
			return lines, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		if m.Sequence != sequence {
			skip = 0
		}
		batch := s.parseLog(k.ID, m.Data)
		for i := min(skip, len(batch)); i < len(batch); i++ {
			if len(lines) == maxLines {
				return lines, fmt.Sprintf("%d-%d", m.Sequence, i), nil
			}
			lines = append(lines, batch[i])
		}
		sequence, skip = m.Sequence+1, 0
	}
}

func (s *Store) parseLog(execution string, data []byte) []multinode.LogLine {
	lines, err := decode[[]multinode.LogLine](data)
	if err != nil {
		s.log.Warn("a log batch is unreadable", "execution_id", execution, "error", err)
	}
	return lines
}

func parseLogOffset(offset string) (sequence uint64, skip int, err error) {
	if offset == "" {
		return 1, 0, nil
	}
	first, second, ok := strings.Cut(offset, "-")
	if ok {
		sequence, err = strconv.ParseUint(first, 10, 63)
	}
	if ok && err == nil {
		skip, err = strconv.Atoi(second)
	}
	if !ok || err != nil || sequence == 0 || skip < 0 {
		return 0, 0, ErrOffset
	}
	return sequence, skip, nil
}

// FollowLogs returns the log of an invocation's executions, or of one of them,
// from its beginning and then as it grows, until ctx ends, which closes the
// channel.
func (s *Store) FollowLogs(ctx context.Context, k multinode.InvocationKey, execution string) (<-chan LogBatch, error) {
	prefix := logSubjects + "." + InvocationKeyName(k) + "."
	filter := prefix + "*"
	if execution != "" {
		filter = prefix + Token(execution)
	}
	batches := make(chan LogBatch)
	err := s.follow(ctx, logsStream, jetstream.ConsumerConfig{
		FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverAllPolicy,
	}, func(m stored) {
		id, err := FromToken(strings.TrimPrefix(m.Subject, prefix))
		if err != nil {
			return
		}
		select {
		case batches <- LogBatch{Execution: id, Lines: s.parseLog(id, m.Data)}:
		case <-ctx.Done():
		}
	}, func() { close(batches) })
	return batches, err
}
