package multinode

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// FunctionSpec is what a function asks for. It is fixed when a version is made.
type FunctionSpec struct {
	Name string `json:"name"`
	// Image overrides the version's container image; empty means the version's own.
	Image string `json:"image,omitempty"`
	// CPU is in virtual CPUs, above 0 and at most MaxCPU.
	CPU float64 `json:"cpu"`
	// MemoryGiB is in GiB, above 0 and at most MaxMemoryGiB.
	MemoryGiB      float64 `json:"memory_gib"`
	MaxConcurrency int     `json:"max_concurrency"`
	MaxRetries     int     `json:"max_retries"`
	// Timeout counts from the start of the user's code, per execution.
	Timeout time.Duration `json:"timeout"`
}

// Validate reports every bound that the spec breaks, joined into one error.
func (f FunctionSpec) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, ValidateFunctionName(f.Name))
	check(utf8.RuneCountInString(f.Image) <= MaxImageName, "docker_image_override must not exceed %d characters", MaxImageName)
	check(f.CPU > 0 && f.CPU <= MaxCPU, "cpu must be above 0 and at most %v", MaxCPU)
	check(f.MemoryGiB > 0 && f.MemoryGiB <= MaxMemoryGiB, "memory must be above 0 and at most %v GiB", MaxMemoryGiB)
	check(f.MaxConcurrency >= 1 && f.MaxConcurrency <= MaxConcurrency, "max_concurrency must be from 1 to %d", MaxConcurrency)
	check(f.MaxRetries >= 0 && f.MaxRetries <= MaxRetries, "max_retries must be from 0 to %d", MaxRetries)
	check(f.Timeout >= time.Second && f.Timeout <= MaxTimeout, "timeout must be from 1 second to %v", MaxTimeout)
	return errors.Join(errs...)
}

// ErrNameTooLong is wrapped by the validators when only the length is wrong.
var ErrNameTooLong = errors.New("name is too long")

// ValidateProjectName accepts 1 to MaxProjectName characters, none of them a
// control character.
func ValidateProjectName(name string) error { return validateName("project", name, MaxProjectName) }

// ValidateFunctionName accepts 1 to MaxFunctionName characters, none of them a
// control character.
func ValidateFunctionName(name string) error {
	return validateName("function", name, MaxFunctionName)
}

func validateName(kind, name string, limit int) error {
	if name == "" {
		return fmt.Errorf("the %s name is empty", kind)
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("the %s name is not valid UTF-8", kind)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("the %s name contains a control character", kind)
		}
	}
	if utf8.RuneCountInString(name) > limit {
		return fmt.Errorf("the %s name exceeds %d characters: %w", kind, limit, ErrNameTooLong)
	}
	return nil
}
