// Served holds memory in functions that leak at a command on its standard input, and serves net/http/pprof on a port
// of the loopback that it prints.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
)

var leaked [][]byte

//go:noinline
func leakFast() { leaked = append(leaked, make([]byte, 3<<20)) }

//go:noinline
func leakSlowly() { leaked = append(leaked, make([]byte, 1<<20)) }

//go:noinline
func work(rounds int) {
	for i := 0; i < rounds; i++ {
		leakFast()
		leakSlowly()
	}
	runtime.GC()
	runtime.GC()
}

// What is touched is resident: it grows as one sees from outside.
//
//go:noinline
func leakTouched() {
	part := make([]byte, 1<<20)
	for i := range part {
		part[i] = 1
	}
	leaked = append(leaked, part)
}

func main() {
	// Every allocation is sampled: what is told is what there is.
	runtime.MemProfileRate = 1
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(listener, nil)
	work(4)
	fmt.Println(listener.Addr())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "little" {
			leakTouched()
		} else {
			work(4)
		}
		fmt.Println("done")
	}
}
