//go:build never

// The package's own tests use Gomega: named here, so that it is vendored with the rest.
package main

import _ "github.com/onsi/gomega"
