package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const sleepers = 1000000

func init() { rows["timers.million"] = millionSleepers }

// millionSleepers reports the wall time of a million goroutines that each sleep
// 1 to 100 ms, and the resident memory each one took.
func millionSleepers(row string) {
	before := peakBytes()
	begin := time.Now()
	var done sync.WaitGroup
	done.Add(sleepers)
	for i := 0; i < sleepers; i++ {
		go func(ms int) {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			done.Done()
		}(1 + i%100)
	}
	done.Wait()
	emit(row, "s", time.Since(begin).Seconds())
	emit(row+".bytes", "B", float64(peakBytes()-before)/sleepers)
}

// peakBytes is the highest resident size so far.
func peakBytes() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}
