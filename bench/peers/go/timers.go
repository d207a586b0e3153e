package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const sleepers = 1000000

func init() {
	rows["timers.million"] = millionSleepers
	rows["timers.bytes"] = bytesEach
}

// millionSleepers reports the wall time of a million goroutines that each sleep
// 1 to 100 ms.
func millionSleepers(row string) {
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
}

// bytesEach reports the resident memory of each of a million goroutines that
// sleep at the same time; the process ends before they do.
func bytesEach(row string) {
	before := residentBytes()
	var started sync.WaitGroup
	started.Add(sleepers)
	for i := 0; i < sleepers; i++ {
		go func() {
			started.Done()
			time.Sleep(time.Hour)
		}()
	}
	started.Wait()
	emit(row, "B", float64(residentBytes()-before)/sleepers)
}

func residentBytes() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}
