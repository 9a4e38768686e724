// Command component stands in for a control-plane component: a real program, linked for several
// architectures, whose version is stamped by the linker as release builds do.
package main

import (
	"fmt"
	"os"
	"runtime"
)

// version is set with -ldflags '-X main.version=...'.
var version = "unset"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Printf("control-plane-operator %s %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
		return
	}
	fmt.Fprintln(os.Stderr, "usage: control-plane-operator version")
	os.Exit(2)
}
