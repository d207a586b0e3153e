package main

func init() {
	rows["channel.unbuffered"] = roundTrip
	rows["channel.buffered"] = oneToOne
}

// roundTrip reports a value going to another goroutine and its answer back.
func roundTrip(row string) {
	ask, answer := make(chan int), make(chan int)
	go func() {
		for v := range ask {
			answer <- v
		}
	}()
	measure(row, 1, func(n int) {
		for i := 0; i < n; i++ {
			ask <- i
			<-answer
		}
	})
	close(ask)
}

// oneToOne reports one value through a channel of 1,024, sender to receiver.
func oneToOne(row string) {
	measure(row, 1, func(n int) {
		values := make(chan int, 1024)
		go func() {
			for i := 0; i < n; i++ {
				values <- i
			}
			close(values)
		}()
		for range values {
		}
	})
}
