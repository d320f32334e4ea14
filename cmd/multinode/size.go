package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// size is a flag's number of bytes, written as 512MiB, 10GiB or 1.5TiB.
type size int64

// units are those of size, the largest first.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size in the largest unit that it is a multiple of.
func (s *size) String() string {
	for _, u := range units {
		if *s != 0 && int64(*s)%u.bytes == 0 {
			return strconv.FormatInt(int64(*s)/u.bytes, 10) + u.name
		}
	}
	return "0"
}

// Set reads a size.
func (s *size) Set(text string) error {
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if rest, found := strings.CutSuffix(number, u.name); found {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if bytes := n * float64(unit); err == nil && bytes >= 0 && bytes < math.MaxInt64 {
		*s = size(bytes)
		return nil
	}
	return errors.New("write a size such as 512MiB or 10GiB")
}

// Type is what the help calls the value.
func (s *size) Type() string { return "size" }
