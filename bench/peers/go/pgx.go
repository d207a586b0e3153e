//go:build pgx

package main

import (
	"context"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const (
	pgxConnections = 8
	pgxCallers     = 64
)

// An account, a teller, a branch and an amount, as pgbench's script draws them.
type pgxDraw struct {
	account, teller, branch, delta int
}

func init() {
	rows["pgx.select"] = func(row string) { pgxRun(row, pgxSelect) }
	rows["pgx.tpcb"] = func(row string) { pgxRun(row, pgxInteractive) }
	rows["pgx.tpcb.batch"] = func(row string) { pgxRun(row, pgxBatch) }
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func pgxSeconds(variable string) time.Duration {
	seconds, err := strconv.ParseFloat(os.Getenv(variable), 64)
	must(err)
	return time.Duration(seconds * float64(time.Second))
}

// pgxRun lets every caller do one after another for BENCH_WARM_SECONDS and then
// BENCH_SECONDS, and reports of the latter how many per second and the 99th
// percentile of their time; and how many in all.
func pgxRun(row string, one func(ctx context.Context, pool *pgxpool.Pool, d pgxDraw) error) {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("BENCH_PG_URL"))
	must(err)
	config.MaxConns, config.MinConns = pgxConnections, pgxConnections
	pool, err := pgxpool.ConnectConfig(ctx, config)
	must(err)
	scale, err := strconv.Atoi(os.Getenv("BENCH_PG_SCALE"))
	must(err)

	type figures struct {
		times []int64
		count int
	}
	perCaller := make(chan figures, pgxCallers)
	measured := pgxSeconds("BENCH_SECONDS")
	warm := time.Now().Add(pgxSeconds("BENCH_WARM_SECONDS"))
	end := warm.Add(measured)
	for i := 0; i < pgxCallers; i++ {
		draw := rand.New(rand.NewSource(int64(i)))
		go func() {
			var mine figures
			for at := time.Now(); at.Before(end); {
				must(one(ctx, pool, pgxDraw{
					account: draw.Intn(scale*100000) + 1,
					teller:  draw.Intn(scale*10) + 1,
					branch:  draw.Intn(scale) + 1,
					delta:   draw.Intn(10001) - 5000,
				}))
				now := time.Now()
				mine.count++
				if !now.Before(warm) && now.Before(end) {
					mine.times = append(mine.times, now.Sub(at).Nanoseconds())
				}
				at = now
			}
			perCaller <- mine
		}()
	}
	var all []int64
	count := 0
	for i := 0; i < pgxCallers; i++ {
		one := <-perCaller
		all = append(all, one.times...)
		count += one.count
	}
	pool.Close()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	emit(row, "tps", float64(len(all))/measured.Seconds())
	emit(row+".p99", "ms", float64(all[len(all)*99/100])/1e6)
	emit(row+".count", "", float64(count))
}

const (
	pgxUpdateAccount = "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2"
	pgxSelectAccount = "SELECT abalance FROM pgbench_accounts WHERE aid = $1"
	pgxUpdateTeller  = "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2"
	pgxUpdateBranch  = "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2"
	pgxInsertHistory = "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)" +
		" VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)"
)

func pgxSelect(ctx context.Context, pool *pgxpool.Pool, d pgxDraw) error {
	var balance int
	return pool.QueryRow(ctx, pgxSelectAccount, d.account).Scan(&balance)
}

// Seven round trips, one after another.
func pgxInteractive(ctx context.Context, pool *pgxpool.Pool, d pgxDraw) error {
	return pool.BeginFunc(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, pgxUpdateAccount, d.delta, d.account); err != nil {
			return err
		}
		var balance int
		if err := tx.QueryRow(ctx, pgxSelectAccount, d.account).Scan(&balance); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, pgxUpdateTeller, d.delta, d.teller); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, pgxUpdateBranch, d.delta, d.branch); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, pgxInsertHistory, d.teller, d.branch, d.account, d.delta)
		return err
	})
}

// One round trip: pgx sends a batch as one transaction.
func pgxBatch(ctx context.Context, pool *pgxpool.Pool, d pgxDraw) error {
	batch := &pgx.Batch{}
	batch.Queue(pgxUpdateAccount, d.delta, d.account)
	batch.Queue(pgxSelectAccount, d.account)
	batch.Queue(pgxUpdateTeller, d.delta, d.teller)
	batch.Queue(pgxUpdateBranch, d.delta, d.branch)
	batch.Queue(pgxInsertHistory, d.teller, d.branch, d.account, d.delta)
	results := pool.SendBatch(ctx, batch)
	for i := 0; i < batch.Len(); i++ {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return err
		}
	}
	return results.Close()
}
