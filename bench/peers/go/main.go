// Rival programs written in Go: what weir's rows are compared with.
//
//	gopeer ROW        measures one row and prints it as a line of JSON
//	gopeer --version  prints the version
//
// GOMAXPROCS decides how many processors a row gets; the runner sets it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"time"
)

// report is one line of the protocol that bench/README.md describes.
type report struct {
	Row   string  `json:"row"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

var rows = map[string]func(row string){}

func emit(row, unit string, value float64) {
	line, _ := json.Marshal(report{row, unit, value})
	fmt.Println(string(line))
}

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

// measure grows n until run(n) takes 100 ms, which also warms up, and then
// emits the median of three runs as nanoseconds per operation, where run(n)
// does n times perRun operations.
func measure(row string, perRun int, run func(n int)) {
	n := 1
	for {
		begin := time.Now()
		run(n)
		if took := time.Since(begin); took >= 100*time.Millisecond {
			break
		}
		n *= 2
	}
	var ns []float64
	for i := 0; i < 3; i++ {
		begin := time.Now()
		run(n)
		ns = append(ns, float64(time.Since(begin).Nanoseconds())/float64(n*perRun))
	}
	emit(row, "ns", median(ns))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gopeer ROW | --version")
		os.Exit(2)
	}
	if os.Args[1] == "--version" {
		fmt.Println(runtime.Version())
		return
	}
	run, found := rows[os.Args[1]]
	if !found {
		fmt.Fprintf(os.Stderr, "gopeer has no row %q\n", os.Args[1])
		os.Exit(3)
	}
	run(os.Args[1])
}
