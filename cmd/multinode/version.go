package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by the linker where a release is built.
var release = ""

// version is the release, or what the Go toolchain knows of the source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}

const platform = runtime.GOOS + "/" + runtime.GOARCH

// versionLine is the version for people.
func versionLine() string {
	return fmt.Sprintf("multinode %s (%s, %s)", version(), runtime.Version(), platform)
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": version(), "go": runtime.Version(), "platform": platform})
			}
			a.screen.Printf("%s\n", versionLine())
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}
