package main

import "sync"

const batch = 1000

func init() {
	rows["goroutine.1spawner"] = func(row string) { goroutines(row, 1) }
	rows["goroutine.2spawners"] = func(row string) { goroutines(row, 2) }
	rows["stopper.1spawner"] = func(row string) { stopperTasks(row, 1) }
	rows["stopper.2spawners"] = func(row string) { stopperTasks(row, 2) }
}

// goroutines reports wall time per goroutine: start 1,000, wait for all.
func goroutines(row string, spawners int) {
	measure(row, batch*spawners, func(n int) {
		together(spawners, func() {
			var done sync.WaitGroup
			for i := 0; i < n; i++ {
				done.Add(batch)
				for j := 0; j < batch; j++ {
					go done.Done()
				}
				done.Wait()
			}
		})
	})
}

// stopperTasks is the same with every goroutine counted by one stopper.
func stopperTasks(row string, spawners int) {
	s := newStopper()
	measure(row, batch*spawners, func(n int) {
		together(spawners, func() {
			var done sync.WaitGroup
			for i := 0; i < n; i++ {
				done.Add(batch)
				for j := 0; j < batch; j++ {
					s.spawn(done.Done)
				}
				done.Wait()
			}
		})
	})
}
