package embedded_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode/embedded/embeddedtest"
)

// BenchmarkAck measures one acknowledged publish at a time: in-process and over
// the network, as a worker and as the application, synced and not.
func BenchmarkAck(b *testing.B) {
	for _, sync := range []bool{true, false} {
		name := "unsynced"
		if sync {
			name = "synced"
		}
		b.Run(name, func(b *testing.B) {
			o := embeddedtest.Options(b)
			o.SyncAlways = sync
			s := embeddedtest.StartWith(b, o)
			conn, js := connect(b, s)
			makeStreams(b, js)
			body := make([]byte, 200)
			publish := func(js jetstream.JetStream) func(b *testing.B) {
				return func(b *testing.B) {
					for b.Loop() {
						if _, err := js.Publish(b.Context(), "mn.logs.p.g.f.i.e", body); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.Run("in-process", publish(js))
			url, options := s.ConnectOptions()
			tcp, err := nats.Connect(url, options...)
			if err != nil {
				b.Fatal(err)
			}
			defer tcp.Close()
			overTCP, err := jetstream.New(tcp)
			if err != nil {
				b.Fatal(err)
			}
			b.Run("tcp", publish(overTCP))
			id, key := newExecution()
			w := dialWorker(b, s, id, key)
			b.Run("worker", func(b *testing.B) {
				for b.Loop() {
					if w.put(b, &nats.Msg{Subject: "mn.logs." + key, Data: body}).Sequence == 0 {
						b.Fatal("refused")
					}
				}
			})
			b.Run("request in-process to tcp", func(b *testing.B) {
				if _, err := conn.Subscribe("mn.worker.beat.*", func(m *nats.Msg) { _ = m.Respond(body) }); err != nil {
					b.Fatal(err)
				}
				if err := conn.Flush(); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := w.Request("mn.worker.beat."+id, nil, patience); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkMintWorker(b *testing.B) {
	s := embeddedtest.Start(b)
	id, key := newExecution()
	for b.Loop() {
		mintWorker(b, s, id, key, later())
	}
}

func BenchmarkStartAndClose(b *testing.B) {
	for b.Loop() {
		s := embeddedtest.StartWith(b, embeddedtest.Options(b))
		embeddedtest.Close(b, s)
	}
}
