module moor.invalid/compose

go 1.24.0

require github.com/docker/compose/v2 v2.40.3

tool github.com/docker/compose/v2/cmd
