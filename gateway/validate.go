package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"multinode/wire"
)

// invalid is the error for a request of the wrong shape.
type invalid struct{ violations []wire.Violation }

func (e *invalid) Error() string {
	texts := make([]string, len(e.violations))
	for i, v := range e.violations {
		texts[i] = fmt.Sprintf("%v: %s", v.Location, v.Message)
	}
	return strings.Join(texts, "; ")
}

func violation(kind, message string, location ...any) *invalid {
	return &invalid{[]wire.Violation{{Location: location, Message: message, Type: kind}}}
}

// filler moves decoded JSON, or the texts of query parameters, into a value of a
// wire type. It collects everything that breaks the bounds in the type's tags,
// in the words that the published client's server used.
type filler struct {
	// key is the tag that names a struct's fields: "json", "query" or "header".
	key string
	// texts means that every value comes as a text, as query parameters do.
	texts      bool
	violations []wire.Violation
}

// maxViolations is how many faults of one request are named: one body may have
// a million.
const maxViolations = 100

func (f *filler) reject(location []any, kind, format string, args ...any) {
	if len(f.violations) == maxViolations {
		return
	}
	f.violations = append(f.violations, wire.Violation{
		Location: slices.Clone(location), Message: fmt.Sprintf(format, args...), Type: kind,
	})
}

func (f *filler) err() error {
	if len(f.violations) == 0 {
		return nil
	}
	return &invalid{f.violations}
}

func (f *filler) fill(into reflect.Value, value any, location []any, bounds reflect.StructTag) {
	if into.Kind() == reflect.Pointer {
		if value != nil {
			into.Set(reflect.New(into.Type().Elem()))
			f.fill(into.Elem(), value, location, bounds)
		}
		return
	}
	if value == nil {
		if into.Kind() == reflect.Map {
			return
		}
		f.reject(location, "type_error.none.not_allowed", "none is not an allowed value")
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		f.fillStruct(into, value, location)
	case reflect.Slice:
		f.fillSlice(into, value, location, bounds)
	case reflect.Map:
		f.fillMap(into, value, location)
	case reflect.String:
		f.fillString(into, value, location, bounds)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		f.fillInteger(into, value, location, bounds)
	case reflect.Float64:
		f.fillFloat(into, value, location, bounds)
	case reflect.Bool:
		f.fillBool(into, value, location)
	default:
		panic("a wire type has a field of kind " + into.Kind().String())
	}
}

func (f *filler) fillStruct(into reflect.Value, value any, location []any) {
	object, ok := value.(map[string]any)
	if !ok {
		f.reject(location, "type_error.dict", "value is not a valid dict")
		return
	}
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get(f.key), ",")
		at := append(slices.Clone(location), name)
		member, present := object[name]
		switch {
		case present:
			f.fill(into.Field(i), member, at, field.Tag)
		case field.Tag.Get("required") == "true":
			f.reject(at, "value_error.missing", "field required")
		}
	}
}

func (f *filler) fillSlice(into reflect.Value, value any, location []any, bounds reflect.StructTag) {
	list, ok := value.([]any)
	if !ok {
		f.reject(location, "type_error.list", "value is not a valid list")
		return
	}
	if most, ok := bound(bounds, "maxItems"); ok && float64(len(list)) > most {
		f.reject(location, "value_error.list.max_items", "ensure this value has at most %v items", most)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
	for i, item := range list {
		f.fill(into.Index(i), item, append(slices.Clone(location), i), "")
	}
}

func (f *filler) fillMap(into reflect.Value, value any, location []any) {
	object, ok := value.(map[string]any)
	if !ok {
		f.reject(location, "type_error.dict", "value is not a valid dict")
		return
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(object)))
	for name, member := range object {
		item := reflect.New(into.Type().Elem()).Elem()
		f.fill(item, member, append(slices.Clone(location), name), "")
		into.SetMapIndex(reflect.ValueOf(name), item)
	}
}

func (f *filler) fillString(into reflect.Value, value any, location []any, bounds reflect.StructTag) {
	text, ok := value.(string)
	if !ok {
		f.reject(location, "type_error.str", "str type expected")
		return
	}
	if e, ok := into.Interface().(interface{ Enum() []any }); ok {
		f.checkEnum(e.Enum(), text, location)
	}
	if most, ok := bound(bounds, "maxLength"); ok && float64(utf8.RuneCountInString(text)) > most {
		f.reject(location, "value_error.any_str.max_length", "ensure this value has at most %v characters", most)
	}
	if least, ok := bound(bounds, "minLength"); ok && float64(utf8.RuneCountInString(text)) < least {
		f.reject(location, "value_error.any_str.min_length", "ensure this value has at least %v characters", least)
	}
	if p := bounds.Get("pattern"); p != "" && !pattern(p).MatchString(text) {
		f.reject(location, "value_error.str.regex", "string does not match regex %q", p)
	}
	into.SetString(text)
}

func (f *filler) checkEnum(members []any, text string, location []any) {
	permitted := make([]string, len(members))
	for i, m := range members {
		word := fmt.Sprint(m)
		if word == text {
			return
		}
		permitted[i] = "'" + word + "'"
	}
	f.reject(location, "type_error.enum", "value is not a valid enumeration member; permitted: %s", strings.Join(permitted, ", "))
}

func (f *filler) fillInteger(into reflect.Value, value any, location []any, bounds reflect.StructTag) {
	number, ok := f.number(value)
	// Beyond 2^53 a float does not tell whole numbers apart any more.
	if !ok || number != math.Trunc(number) || math.Abs(number) > 1<<53 || into.CanUint() && number < 0 {
		f.reject(location, "type_error.integer", "value is not a valid integer")
		return
	}
	f.checkNumber(number, location, bounds)
	if into.CanUint() {
		into.SetUint(uint64(number))
	} else {
		into.SetInt(int64(number))
	}
}

func (f *filler) fillFloat(into reflect.Value, value any, location []any, bounds reflect.StructTag) {
	number, ok := f.number(value)
	if !ok {
		f.reject(location, "type_error.float", "value is not a valid float")
		return
	}
	f.checkNumber(number, location, bounds)
	into.SetFloat(number)
}

func (f *filler) fillBool(into reflect.Value, value any, location []any) {
	truth, ok := value.(bool)
	if text, isText := value.(string); isText && f.texts {
		var err error
		truth, err = strconv.ParseBool(text)
		ok = err == nil
	}
	if !ok {
		f.reject(location, "type_error.bool", "value could not be parsed to a boolean")
		return
	}
	into.SetBool(truth)
}

func (f *filler) number(value any) (float64, bool) {
	var text string
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case string:
		if !f.texts {
			return 0, false
		}
		text = v
	default:
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil && !math.IsNaN(number) && !math.IsInf(number, 0)
}

func (f *filler) checkNumber(number float64, location []any, bounds reflect.StructTag) {
	if least, ok := bound(bounds, "exclusiveMinimum"); ok && number <= least {
		f.reject(location, "value_error.number.not_gt", "ensure this value is greater than %v", least)
	}
	if least, ok := bound(bounds, "minimum"); ok && number < least {
		f.reject(location, "value_error.number.not_ge", "ensure this value is greater than or equal to %v", least)
	}
	if most, ok := bound(bounds, "maximum"); ok && number > most {
		f.reject(location, "value_error.number.not_le", "ensure this value is less than or equal to %v", most)
	}
}

func bound(bounds reflect.StructTag, name string) (float64, bool) {
	text, ok := bounds.Lookup(name)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

var patterns sync.Map // from text to *regexp.Regexp; there are as many as tags

func pattern(text string) *regexp.Regexp {
	if known, ok := patterns.Load(text); ok {
		return known.(*regexp.Regexp)
	}
	compiled := regexp.MustCompile(text)
	patterns.Store(text, compiled)
	return compiled
}
