package main

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

// stopper has the shape of CockroachDB's Stopper, written anew: a read lock
// around "refuse or count", an atomic count of tasks, a goroutine per task, and
// a stop that polls the count.
type stopper struct {
	mu        sync.RWMutex
	quiescing bool
	quiesced  chan struct{}
	numTasks  int32
}

const pollInterval = 5 * time.Millisecond

func newStopper() *stopper { return &stopper{quiesced: make(chan struct{})} }

func (s *stopper) enter() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.quiescing {
		return false
	}
	atomic.AddInt32(&s.numTasks, 1)
	return true
}

func (s *stopper) leave() { atomic.AddInt32(&s.numTasks, -1) }

func (s *stopper) spawn(f func()) bool {
	if !s.enter() {
		return false
	}
	go func() {
		defer s.leave()
		f()
	}()
	return true
}

func (s *stopper) stop() {
	s.mu.Lock()
	s.quiescing = true
	close(s.quiesced)
	s.mu.Unlock()
	for atomic.LoadInt32(&s.numTasks) > 0 {
		time.Sleep(pollInterval)
	}
}

func init() {
	rows["stopper.enter.1caller"] = func(row string) { enterLeave(row, 1) }
	rows["stopper.enter.2callers"] = func(row string) { enterLeave(row, 2) }
	rows["stopper.stop"] = stopLatency
}

// enterLeave reports the time one caller spends on each enter and leave.
func enterLeave(row string, callers int) {
	s := newStopper()
	measure(row, 1, func(n int) {
		together(callers, func() {
			for i := 0; i < n; i++ {
				if s.enter() {
					s.leave()
				}
			}
		})
	})
}

// stopLatency reports the median time from the end of the last task to the
// return of stop; tasks end at random moments so that no phase of the poll is
// preferred.
func stopLatency(row string) {
	random := rand.New(rand.NewSource(1))
	var us []float64
	for i := 0; i < 41; i++ {
		s := newStopper()
		var ended time.Time
		delay := time.Duration(2+random.Intn(6000)) * time.Microsecond
		s.spawn(func() {
			<-s.quiesced
			time.Sleep(delay)
			ended = time.Now()
		})
		s.stop()
		us = append(us, float64(time.Since(ended).Nanoseconds())/1e3)
	}
	emit(row, "us", median(us))
}

// together runs f in n goroutines and waits for all of them.
func together(n int, f func()) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			f()
		}()
	}
	all.Wait()
}
