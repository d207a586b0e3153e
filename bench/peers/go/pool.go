package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"sort"
	"sync/atomic"
	"time"
)

// A pool under test: acquire returns the function that releases.
type pool func(ctx context.Context) (release func())

func init() {
	poolRows("sql", func(size int) pool {
		db := sql.OpenDB(connector{})
		db.SetMaxOpenConns(size)
		db.SetMaxIdleConns(size)
		return func(ctx context.Context) func() {
			conn, err := db.Conn(ctx)
			if err != nil {
				panic(err)
			}
			return func() { conn.Close() }
		}
	})
}

func nothing() {}

// poolRows adds the rows that every pool has: PREFIX.1user, .2on2, .64on10, and
// .queued, where a holder yields once so that everybody has to queue.
func poolRows(prefix string, open func(size int) pool) {
	rows[prefix+".1user"] = func(row string) { acquireRelease(row, open(1), 1, nothing) }
	rows[prefix+".2on2"] = func(row string) { acquireRelease(row, open(2), 2, nothing) }
	rows[prefix+".64on10"] = func(row string) { acquireRelease(row, open(10), 64, nothing) }
	rows[prefix+".queued"] = func(row string) {
		p := open(10)
		acquireRelease(row, p, 64, runtime.Gosched)
		waits(row, p, 64, runtime.Gosched)
	}
}

// acquireRelease reports wall time per acquire and release over all users.
func acquireRelease(row string, acquire pool, users int, hold func()) {
	ctx := context.Background()
	const perUser = 100
	measure(row, users*perUser, func(n int) {
		together(users, func() {
			for i := 0; i < n*perUser; i++ {
				release := acquire(ctx)
				hold()
				release()
			}
		})
	})
}

// waits measures every single acquire for half a second: the 50th and 99th
// percentile, the longest, and how many per 1,000 were overtaken by an acquire
// that began at least `users` acquires later (which only an unfair queue does).
func waits(row string, acquire pool, users int, hold func()) {
	ctx := context.Background()
	var begun, newest, overtaken int64
	perUser := make(chan []int64, users)
	end := time.Now().Add(500 * time.Millisecond)
	together(users, func() {
		var mine []int64
		for {
			begin := time.Now()
			if begin.After(end) {
				break
			}
			ticket := atomic.AddInt64(&begun, 1)
			release := acquire(ctx)
			mine = append(mine, time.Since(begin).Nanoseconds())
			seen := atomic.LoadInt64(&newest)
			if seen >= ticket+int64(users) {
				atomic.AddInt64(&overtaken, 1)
			}
			for seen < ticket && !atomic.CompareAndSwapInt64(&newest, seen, ticket) {
				seen = atomic.LoadInt64(&newest)
			}
			hold()
			release()
		}
		perUser <- mine
	})
	var all []int64
	for i := 0; i < users; i++ {
		all = append(all, <-perUser...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	us := func(i int) float64 { return float64(all[i]) / 1e3 }
	emit(row+".wait_p50", "us", us(len(all)/2))
	emit(row+".wait_p99", "us", us(len(all)*99/100))
	emit(row+".wait_max", "us", us(len(all)-1))
	emit(row+".inversions", "/1000", float64(overtaken)*1000/float64(len(all)))
}

// A driver whose connections do nothing, so that only the pool is measured.
type connector struct{}
type connection struct{}

var errUnused = errors.New("the fake driver runs no statements")

func (connector) Connect(context.Context) (driver.Conn, error) { return connection{}, nil }
func (connector) Driver() driver.Driver                        { return nil }
func (connection) Prepare(string) (driver.Stmt, error)         { return nil, errUnused }
func (connection) Close() error                                { return nil }
func (connection) Begin() (driver.Tx, error)                   { return nil, errUnused }
