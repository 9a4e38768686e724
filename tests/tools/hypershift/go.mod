module fleetfix.test/tools/hypershift

go 1.26.0

require (
	github.com/onsi/gomega v1.42.1
	github.com/openshift/hypershift v0.1.80
	gopkg.in/evanphx/json-patch.v4 v4.13.0
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
	golang.org/x/net v0.56.0 // indirect
	golang.org/x/text v0.38.0 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
