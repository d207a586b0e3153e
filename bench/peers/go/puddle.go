//go:build puddle

package main

import (
	"context"

	"github.com/jackc/puddle"
)

func init() {
	poolRows("puddle", func(size int) pool {
		p := puddle.NewPool(
			func(context.Context) (interface{}, error) { return connection{}, nil },
			func(interface{}) {}, int32(size))
		return func(ctx context.Context) func() {
			resource, err := p.Acquire(ctx)
			if err != nil {
				panic(err)
			}
			return resource.Release
		}
	})
}
