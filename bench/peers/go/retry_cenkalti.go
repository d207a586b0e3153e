//go:build backoff

package main

import (
	"time"

	"github.com/cenkalti/backoff"
)

func init() {
	rows["cenkalti.arm"] = armCenkalti
}

// armCenkalti is armBackoff with the library that most Go programs use.
func armCenkalti(row string) {
	const loops = 1000
	var ns []float64
	for round := 0; round < 300; round++ {
		var waits [loops]*backoff.ExponentialBackOff
		var timers [loops]*time.Timer
		for i := range waits {
			waits[i] = backoff.NewExponentialBackOff()
			waits[i].InitialInterval, waits[i].MaxInterval = time.Hour, 2*time.Hour
			waits[i].MaxElapsedTime = 0
			waits[i].Reset()
			timers[i] = time.NewTimer(time.Hour)
			timers[i].Stop()
		}
		begin := time.Now()
		for i := range waits {
			timers[i].Reset(waits[i].NextBackOff())
		}
		ns = append(ns, float64(time.Since(begin).Nanoseconds())/loops)
		for i := range timers {
			timers[i].Stop()
		}
	}
	emit(row, "ns", median(ns))
}
