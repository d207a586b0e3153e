package main

import (
	"context"
	"time"
)

const children = 1000

func init() {
	rows["context.child"] = childContext
	rows["context.cancel"] = cancelChildren
}

// childContext reports one create and cancel under a live parent.
func childContext(row string) {
	parent, stop := context.WithCancel(context.Background())
	defer stop()
	measure(row, 1, func(n int) {
		for i := 0; i < n; i++ {
			_, cancel := context.WithCancel(parent)
			cancel()
		}
	})
}

// cancelChildren reports the time per child of cancelling a parent of 1,000;
// making the children is not counted.
func cancelChildren(row string) {
	var ns []float64
	for i := 0; i < 1000; i++ {
		parent, cancel := context.WithCancel(context.Background())
		for j := 0; j < children; j++ {
			_, stop := context.WithCancel(parent)
			defer stop()
		}
		begin := time.Now()
		cancel()
		ns = append(ns, float64(time.Since(begin).Nanoseconds())/children)
	}
	emit(row, "ns", median(ns))
}
