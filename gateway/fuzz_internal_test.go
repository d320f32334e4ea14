package gateway

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// bodies are the types that come as a body, one of each route that takes one.
func bodies() []reflect.Type {
	var types []reflect.Type
	for _, r := range routes(DefaultOptions()) {
		if r.body != nil {
			types = append(types, reflect.TypeOf(r.body))
		}
	}
	return types
}

// queries are the types that queries are read into.
func queries() []reflect.Type {
	var types []reflect.Type
	for _, r := range routes(DefaultOptions()) {
		if r.query != nil {
			types = append(types, reflect.TypeOf(r.query))
		}
	}
	return types
}

// FuzzBody: a body is either understood, within the bounds of its type, or its
// faults are named; no fault shows more than a bounded number of them.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"input":"[[],{}]","parent_invocation":{"function_name":"f","invocation_id":"inv-1"}}`), byte(0))
	f.Add([]byte(`{"default_docker_image":"i","functions":[{"function_name":"f","resource_spec":{"virtual_cpus":1e400,`+
		`"memory_gbs":1,"max_concurrency":0.5},"execution_spec":{"max_retries":-1,"timeout_seconds":1e17}}]}`), byte(1))
	f.Add([]byte(`{"bundle_digest":"00","environment":{"A":"1","B":2}}`), byte(2))
	f.Add([]byte(`{"latest_output":null}`), byte(3))
	f.Add([]byte(`{"outcome":"SUCCEEDED","final_output":"","error_message":[]}`), byte(4))
	f.Add([]byte(strings.Repeat(`{"functions":[`, 20_000)), byte(1))
	f.Add([]byte("{}{}"), byte(0))
	f.Add([]byte("\xff"), byte(0))
	all := bodies()
	f.Fuzz(func(t *testing.T, body []byte, kind byte) {
		of := all[int(kind)%len(all)]
		into := reflect.New(of).Interface()
		var err error
		serveOne(t, "POST", "/", body, func(c *call) { err = c.decodeBody(1<<20, into) })
		checkFaults(t, err)
		if err != nil {
			return
		}
		again, err := json.Marshal(into)
		if err != nil {
			t.Fatal(err)
		}
		second := reflect.New(of).Interface()
		serveOne(t, "POST", "/", again, func(c *call) { err = c.decodeBody(4<<20, second) })
		if err != nil {
			t.Errorf("%s was accepted and is refused as %s: %v", body, again, err)
		}
	})
}

// FuzzPathAndQuery: names of the path are what they were before they were escaped,
// and a query is understood or its faults are named.
func FuzzPathAndQuery(f *testing.F) {
	f.Add("my project", "offset=1&limit=3")
	f.Add("a/b%2F", "follow=true&limit=-1")
	f.Add("ü\x00\xff", "limit=%ff&follow=maybe&&&=")
	f.Add("..", "status=NONE&status=RUNNING")
	all := queries()
	f.Fuzz(func(t *testing.T, name, query string) {
		var got string
		var err error
		if name != "" && utf8.ValidString(name) && name != "." && name != ".." {
			serveOne(t, "GET", "/"+url.PathEscape(name), nil, func(c *call) {
				if err = c.readNames([]string{"name"}); err == nil {
					got = c.name("name")
				}
			})
			if err == nil && got != name {
				t.Errorf("%q arrived as %q", name, got)
			}
		}
		serveOne(t, "GET", "/x?"+query, nil, func(c *call) {
			for _, of := range all {
				checkFaults(t, c.decodeQuery(reflect.New(of).Interface()))
			}
		})
	})
}

func checkFaults(t *testing.T, err error) {
	t.Helper()
	var faults *invalid
	var refused *problem
	switch {
	case err == nil, errors.As(err, &refused):
	case !errors.As(err, &faults):
		t.Errorf("the error is %T: %v", err, err)
	case len(faults.violations) == 0 || len(faults.violations) > maxViolations:
		t.Errorf("%d faults", len(faults.violations))
	}
}

// serveOne hands one request to fn, in the way in which every request is read.
func serveOne(t *testing.T, method, target string, body []byte, fn func(*call)) {
	t.Helper()
	app := fiber.New(fiber.Config{})
	app.Add([]string{method}, "/:name?", func(c fiber.Ctx) error {
		fn(&call{http: c})
		return nil
	})
	var request fasthttp.RequestCtx
	request.Init(&fasthttp.Request{}, nil, nil)
	request.Request.Header.SetMethod(method)
	request.Request.SetRequestURI(target)
	request.Request.SetBody(body)
	app.Handler()(&request)
}
