package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v3"

	"multinode/streams"
)

// call is one request on its way through a handler.
type call struct {
	http  fiber.Ctx
	grant streams.Grant
	names map[string]string
}

// readNames takes the names out of the path. They are copied: fiber reuses its
// memory after the request, and names outlive it.
func (c *call) readNames(params []string) error {
	c.names = make(map[string]string, len(params))
	for _, p := range params {
		name, err := url.PathUnescape(c.http.Params(p))
		if err != nil {
			return refuse(http.StatusNotFound, "Not Found")
		}
		c.names[p] = strings.Clone(name)
	}
	return nil
}

// name returns a name of the path, decoded.
func (c *call) name(param string) string { return c.names[param] }

func (c *call) header(name string) string { return strings.Clone(c.http.Get(name)) }

// body reads the request's body into memory, up to the limit.
func (c *call) body(limit int) ([]byte, error) {
	request := c.http.Request()
	tooLarge := refuse(http.StatusRequestEntityTooLarge, "The request body exceeds %d bytes", limit)
	if !request.IsBodyStream() {
		if len(request.Body()) > limit {
			return nil, tooLarge
		}
		return request.Body(), nil
	}
	stream := c.http.RequestCtx().RequestBodyStream()
	data, err := io.ReadAll(io.LimitReader(stream, int64(limit)+1))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The request body could not be read to its end")
	}
	if len(data) > limit {
		return nil, tooLarge
	}
	return data, nil
}

// decodeBody reads a JSON body into a pointer to a wire type.
func (c *call) decodeBody(limit int, into any) error {
	data, err := c.body(limit)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return violation("value_error.missing", "field required", "body")
	}
	if !utf8.Valid(data) {
		return violation("value_error.jsondecode", "the body is not valid UTF-8", "body")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return violation("value_error.jsondecode", "the body is not valid JSON: "+err.Error(), "body", decoder.InputOffset())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return violation("value_error.jsondecode", "the body goes on after its JSON value", "body", decoder.InputOffset())
	}
	f := filler{key: "json"}
	f.fill(reflect.ValueOf(into).Elem(), value, []any{"body"}, "")
	return f.err()
}

// decodeQuery reads the query into a pointer to a struct with query tags.
func (c *call) decodeQuery(into any) error {
	object := map[string]any{}
	for key, value := range c.http.Request().URI().QueryArgs().All() {
		if _, repeated := object[string(key)]; !repeated {
			object[string(key)] = strings.ToValidUTF8(string(value), "\ufffd")
		}
	}
	f := filler{key: "query", texts: true}
	f.fill(reflect.ValueOf(into).Elem(), object, []any{"query"}, "")
	return f.err()
}

// answer writes a JSON document. HTML is not escaped: it would make up to six
// bytes out of one.
func answer(c fiber.Ctx, status int, value any) error {
	c.Status(status)
	c.Response().ResetBody()
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	encoder := json.NewEncoder(c.Response().BodyWriter())
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
