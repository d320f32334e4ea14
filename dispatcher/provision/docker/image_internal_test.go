package docker

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"multinode/dispatcher/provision"
)

// A registry that falls silent must not keep an image's workers from starting for good.
func TestAPullThatGetsNothingIsGivenUp(t *testing.T) {
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasSuffix(request.URL.Path, "/images/create") {
			_, _ = w.Write([]byte(`{"status":"Pulling"}`))
			w.(http.Flusher).Flush()
			<-request.Context().Done()
		}
	}))
	defer engine.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+engine.Listener.Addr().String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := &Provisioner{engine: c, options: Options{Logger: slog.New(slog.DiscardHandler)}, pulls: pulls{silence: 10 * time.Millisecond}}
	err = p.fetch(t.Context(), "registry.example/x@sha256:"+strings.Repeat("0", 64))
	if provision.KindOf(err) != provision.Transient || !strings.Contains(err.Error(), errSilent.Error()) {
		t.Errorf("%v", err)
	}
}
