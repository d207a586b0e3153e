package main

import (
	"context"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

// jittered is the same loop as weir's, written by hand: doubling waits with 15 %
// of proportional jitter, capped after it.
// Chance comes from math/rand's shared source: one of its own is 5 KB.
type jittered struct{ next, max time.Duration }

func newJittered() *jittered { return &jittered{time.Hour, 2 * time.Hour} }

func (b *jittered) wait() time.Duration {
	wait := time.Duration(float64(b.next) * (0.85 + 0.3*rand.Float64()))
	if b.next *= 2; b.next > b.max {
		b.next = b.max
	}
	if wait > b.max {
		wait = b.max
	}
	return wait
}

func init() {
	rows["retry.arm"] = armBackoff
	rows["retry.bytes"] = loopBytes
	rows["retry.stop"] = stopLoops
	rows["retry.budget.atomic"] = func(row string) { spendBudget(row, &atomicBudget{}) }
	rows["retry.budget.mutex"] = func(row string) { spendBudget(row, &mutexBudget{}) }
}

// armBackoff reports the time to decide on a wait and to arm a timer for it,
// for a thousand loops at a time as in weir's program.
func armBackoff(row string) {
	const loops = 1000
	var ns []float64
	for round := 0; round < 300; round++ {
		var waits [loops]*jittered
		var timers [loops]*time.Timer
		for i := range waits {
			waits[i] = newJittered()
			timers[i] = time.NewTimer(time.Hour)
			timers[i].Stop()
		}
		begin := time.Now()
		for i := range waits {
			timers[i].Reset(waits[i].wait())
		}
		ns = append(ns, float64(time.Since(begin).Nanoseconds())/loops)
		for i := range timers {
			timers[i].Stop()
		}
	}
	emit(row, "ns", median(ns))
}

const waitingLoops = 100000

// retryForEver fails once and then waits for an hour, or for the context.
func retryForEver(ctx context.Context, waiting *sync.WaitGroup) {
	waits := jittered{time.Hour, 2 * time.Hour}
	for {
		timer := time.NewTimer(waits.wait())
		waiting.Done()
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func startLoops(ctx context.Context, ended *sync.WaitGroup) {
	var waiting sync.WaitGroup
	waiting.Add(waitingLoops)
	for i := 0; i < waitingLoops; i++ {
		ended.Add(1)
		go func() {
			defer ended.Done()
			retryForEver(ctx, &waiting)
		}()
	}
	waiting.Wait()
}

// loopBytes reports the resident memory of each of a hundred thousand loops
// that wait; the process ends before they do.
func loopBytes(row string) {
	before := residentBytes()
	var ended sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	startLoops(ctx, &ended)
	emit(row, "B", float64(residentBytes()-before)/waitingLoops)
	cancel()
}

// stopLoops reports the time from a cancellation to the end of the last loop.
func stopLoops(row string) {
	var ms []float64
	for i := 0; i < 5; i++ {
		var ended sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		startLoops(ctx, &ended)
		begin := time.Now()
		cancel()
		ended.Wait()
		ms = append(ms, time.Since(begin).Seconds()*1e3)
	}
	emit(row, "ms", median(ms))
}

type budget interface {
	add(tokens int64)
	take() bool
}

type atomicBudget struct{ micro int64 }

func (b *atomicBudget) add(tokens int64) { atomic.AddInt64(&b.micro, tokens) }
func (b *atomicBudget) take() bool {
	for {
		held := atomic.LoadInt64(&b.micro)
		if held < 1000000 {
			return false
		}
		if atomic.CompareAndSwapInt64(&b.micro, held, held-1000000) {
			return true
		}
	}
}

type mutexBudget struct {
	sync.Mutex
	micro int64
}

func (b *mutexBudget) add(tokens int64) {
	b.Lock()
	defer b.Unlock()
	b.micro += tokens
}
func (b *mutexBudget) take() bool {
	b.Lock()
	defer b.Unlock()
	if b.micro < 1000000 {
		return false
	}
	b.micro -= 1000000
	return true
}

// spendBudget reports the time of one withdrawal that nobody contends with.
func spendBudget(row string, from budget) {
	from.add(1 << 62)
	measure(row, 1, func(n int) {
		for i := 0; i < n; i++ {
			from.take()
		}
	})
}
