module fleetfix.test/tools/component

go 1.26
