// Asks HyperShift's own look-up: for each line "PLATFORM VERSION" of standard input, one line with
// the image that the operator would take, "-" for the payload's. After a line "testing PLATFORM"
// comes one with the releases to test and whether the tests run.
//
// With two arguments, it applies the JSON Patch in the second file to the object in the first, with
// the library that the Kubernetes API server uses, and prints the object.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	overrides "github.com/openshift/hypershift/hypershift-operator/controlplaneoperator-overrides"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

func main() {
	var err error
	if len(os.Args) == 3 {
		err = patch(os.Args[1], os.Args[2])
	} else {
		err = lookUp()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func lookUp() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		first, second, _ := strings.Cut(lines.Text(), " ")
		if first == "testing" {
			latest, previous := overrides.LatestOverrideTestReleases(second)
			fmt.Println(latest, previous, overrides.ShouldRunOverrideTests(second))
			continue
		}
		image := overrides.CPOImage(first, second)
		if image == "" {
			image = "-"
		}
		fmt.Println(image)
	}
	return lines.Err()
}

func patch(object, patch string) error {
	text, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	operations, err := os.ReadFile(patch)
	if err != nil {
		return err
	}
	decoded, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		return err
	}
	patched, err := decoded.Apply(text)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(patched)
	return err
}
