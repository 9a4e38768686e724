package main

import (
	_ "embed"
	"os"
)

// asset is what makes the program as large as a control-plane component: code and data of other
// programs, which compress as such a component does, behind a stamp.
//
//go:embed asset
var asset string

func init() {
	if len(os.Args) == 2 && os.Args[1] == "asset" {
		os.Stdout.WriteString(asset)
	}
}
