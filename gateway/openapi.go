package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"multinode/wire"
)

// apiVersion is that of the contract: release 1.0.1 speaks it.
const apiVersion = "1.1.0"

const securityName = "api_key"

func documentEndpoint() endpoint {
	return endpoint{
		response: map[string]any{},
		serve: func(_ context.Context, g *Gateway, c *call) error {
			c.http.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
			return c.http.Send(g.openAPI)
		},
	}
}

// describe writes the OpenAPI document of the table of paths.
func describe(routes []*route) ([]byte, error) {
	r := openapi31.NewReflector()
	r.SpecEns().Info.
		WithTitle("Multinode").
		WithVersion(apiVersion).
		WithDescription("Runs Python functions as asynchronous tasks. Times are whole Unix seconds.")
	r.Spec.SetHTTPBearerTokenSecurity(securityName, "API key", "An API key, as `multinode up` prints it.")
	r.DefaultOptions = append(r.DefaultOptions,
		jsonschema.InterceptDefName(func(_ reflect.Type, name string) string { return strings.TrimPrefix(name, "Wire") }),
		jsonschema.InterceptProp(settleNull),
	)
	for _, each := range routes {
		if err := each.describe(r); err != nil {
			return nil, fmt.Errorf("%s %s: %w", each.method, each.path, err)
		}
	}
	return json.Marshal(r.Spec)
}

// settleNull makes pointers in bodies nullable, those to shared definitions too,
// and query parameters never.
func settleNull(p jsonschema.InterceptPropParams) error {
	if !p.Processed {
		return nil
	}
	schema := p.PropertySchema
	if _, query := p.Field.Tag.Lookup("query"); query {
		schema.RemoveType(jsonschema.Null)
		return nil
	}
	if p.Field.Type.Kind() == reflect.Pointer && schema.Ref != nil {
		shared := jsonschema.Schema{Ref: schema.Ref}
		schema.Ref, schema.Type = nil, nil
		schema.AnyOf = []jsonschema.SchemaOrBool{shared.ToSchemaOrBool(), jsonschema.Null.ToSchemaOrBool()}
	}
	return nil
}

func (r *route) describe(reflector *openapi31.Reflector) error {
	op, err := reflector.NewOperationContext(r.method, r.path)
	if err != nil {
		return err
	}
	op.SetID(r.id)
	op.SetSummary(r.summary)
	if r.role != "" {
		op.AddSecurity(securityName)
		op.SetDescription(fmt.Sprintf("Takes an API key with the role %s or a higher one.", r.role))
	}
	if params := r.paramsStruct(); params != nil {
		op.AddReqStructure(params)
	}
	if r.query != nil {
		op.AddReqStructure(r.query)
	}
	if r.body != nil {
		op.AddReqStructure(r.body, openapi.WithContentType("application/json"), openapi.WithCustomize(mandatory))
	}
	if r.rawBody != "" {
		// It may be left out: what is stored under its digest needs no content.
		op.AddReqStructure("", openapi.WithContentType(r.rawBody))
	}
	r.describeAnswers(op)
	return reflector.AddOperation(op)
}

// mandatory says that the body may not be left out.
func mandatory(body openapi.ContentOrReference) {
	if b, ok := body.(*openapi31.RequestBodyOrReference); ok {
		b.RequestBodyEns().WithRequired(true)
	}
}

// paramsStruct makes a struct of the path's parameters and the header, which is
// what the reflector reads them from.
func (r *route) paramsStruct() any {
	_, params := fiberPath(r.path)
	var fields []reflect.StructField
	add := func(tag reflect.StructTag) {
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Field%d", len(fields)), Type: reflect.TypeFor[string](), Tag: tag,
		})
	}
	for _, p := range params {
		add(reflect.StructTag(fmt.Sprintf(`path:%q required:"true"`, p)))
	}
	if r.header != "" {
		add(reflect.StructTag(fmt.Sprintf(`header:%q minLength:"1" maxLength:"255"`, r.header)))
	}
	if len(fields) == 0 {
		return nil
	}
	return reflect.New(reflect.StructOf(fields)).Elem().Interface()
}

func (r *route) describeAnswers(op openapi.OperationContext) {
	add := func(status int, description, contentType string, body any, customize ...func(openapi.ContentOrReference)) {
		op.AddRespStructure(body, func(cu *openapi.ContentUnit) {
			cu.HTTPStatus, cu.Description, cu.ContentType = status, description, contentType
			for _, c := range customize {
				cu.Customize = c
			}
		})
	}
	const asJSON = "application/json"
	switch {
	case r.response != nil:
		add(http.StatusOK, "Done", asJSON, r.response)
	case r.events == nil:
		add(http.StatusOK, "Yes", "", nil)
	}
	if r.events != nil {
		description, data := r.describeEvents()
		add(http.StatusOK, description, eventStreamType, data, r.wrapEvents)
	}
	for status, details := range r.details() {
		slices.Sort(details)
		add(status, strings.Join(details, "; "), asJSON, wire.ErrorBody{})
	}
	if r.role != "" {
		add(http.StatusUnprocessableEntity, "The request has the wrong shape", asJSON, wire.ValidationBody{})
	}
}

// describeEvents says which data comes with which event.
func (r *route) describeEvents() (description string, data any) {
	seen := map[reflect.Type]bool{}
	var samples []any
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(r.events)) {
		sample := r.events[name]
		kind := reflect.TypeOf(sample)
		lines = append(lines, fmt.Sprintf("`%s` with a %s", name, kind.Name()))
		if !seen[kind] {
			seen[kind] = true
			samples = append(samples, sample)
		}
	}
	return "Server-sent events: " + strings.Join(lines, ", "), jsonschema.OneOf(samples...)
}

const eventStreamType = "text/event-stream"

// wrapEvents says that the data travels as the JSON text of an event, one of
// those that have a name here.
func (r *route) wrapEvents(to openapi.ContentOrReference) {
	response, ok := to.(*openapi31.ResponseOrReference)
	if !ok {
		return
	}
	media := response.Response.Content[eventStreamType]
	media.Schema = map[string]any{
		"type": "object", "required": []string{"event", "data"},
		"properties": map[string]any{
			"event": map[string]any{"type": "string", "enum": slices.Sorted(maps.Keys(r.events))},
			"data":  map[string]any{"type": "string", "contentMediaType": "application/json", "contentSchema": media.Schema},
		},
	}
	response.Response.Content[eventStreamType] = media
}

// details groups the texts of the errors by status.
func (r *route) details() map[int][]string {
	details := map[int][]string{}
	for _, e := range r.errors {
		details[e.Status] = append(details[e.Status], e.Detail)
	}
	add := func(status int, detail string) { details[status] = append(details[status], detail) }
	for status, detail := range r.refusals {
		add(status, detail)
	}
	if r.role == "" {
		return details
	}
	add(wire.NotAuthenticated.Status, wire.NotAuthenticated.Detail)
	add(wire.APIKeyIsInvalid.Status, wire.APIKeyIsInvalid.Detail)
	add(http.StatusForbidden, "The API key does not allow this")
	add(http.StatusServiceUnavailable, "The store is full or did not answer; Retry-After says when to try again")
	if r.body != nil || r.rawBody != "" {
		add(http.StatusRequestEntityTooLarge, "The body is too large")
	}
	return details
}
