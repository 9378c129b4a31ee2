// Package held prints what the runtime says of its own memory, and does to it what standard input asks.
//
// Each line of input is one command; after each, and at the start, one JSON object goes to standard output.
package held

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

// blocks are what lives on the heap, each touched in every page.
var blocks [][]byte

// Numbers are the runtime's own, by the names of MemStats where it has them.
type Numbers struct {
	Version                                                   string
	HeapInuse, HeapIdle, HeapReleased, StackInuse, HeapSys    uint64
	NumGC                                                     uint32
	LastGC                                                    uint64
	Live, Goal, Objects, Percent, Limit, Mspan, MetadataOther uint64
}

func report() Numbers {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/gogc:percent"},
		{Name: "/gc/gomemlimit:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
	}
	metrics.Read(samples)
	value := func(index int) uint64 { return samples[index].Value.Uint64() }
	return Numbers{
		Version:   runtime.Version(),
		HeapInuse: stats.HeapInuse, HeapIdle: stats.HeapIdle, HeapReleased: stats.HeapReleased,
		StackInuse: stats.StackInuse, HeapSys: stats.HeapSys, NumGC: stats.NumGC, LastGC: stats.LastGC,
		Live: value(0), Goal: value(1), Objects: value(2), Percent: value(3), Limit: value(4),
		Mspan: value(5), MetadataOther: value(6),
	}
}

func size(argument string) int {
	mebibytes, err := strconv.Atoi(argument)
	if err != nil {
		panic(err)
	}
	return mebibytes << 20
}

// hold makes blocks of 32 KiB (spans of their own classes) and touches every page of them.
func hold(bytes int) {
	for held := 0; held < bytes; held += 32 << 10 {
		block := make([]byte, 32<<10)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		blocks = append(blocks, block)
	}
}

// drop forgets every other block, or all of them.
func drop(all bool) {
	var kept [][]byte
	for index, block := range blocks {
		if !all && index%2 == 0 {
			kept = append(kept, block)
		}
	}
	blocks = kept
}

//go:noinline
func deep(depth int, arrived *sync.WaitGroup, wait chan struct{}) byte {
	var frame [512]byte
	frame[depth%512] = byte(depth)
	if depth == 0 {
		arrived.Done()
		<-wait
		return frame[0]
	}
	return deep(depth-1, arrived, wait) + frame[depth%512]
}

// Do does what the lines of standard input ask; other is asked first.
func Do(other func(command string, bytes func(string) int) bool) {
	out := json.NewEncoder(os.Stdout)
	tell := func() {
		if err := out.Encode(report()); err != nil {
			os.Exit(1)
		}
	}
	tell()
	wait := make(chan struct{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		switch {
		case other != nil && other(lines.Text(), size):
		case word == "hold":
			hold(size(argument))
		case word == "reserve":
			// In use, and not resident: nobody touches it.
			blocks = append(blocks, make([]byte, size(argument)))
		case word == "drop":
			drop(argument == "all")
		case word == "stacks":
			count, _ := strconv.Atoi(argument)
			var arrived sync.WaitGroup
			arrived.Add(count)
			for range make([]struct{}, count) {
				go deep(50, &arrived, wait)
			}
			arrived.Wait()
		case word == "gc":
			runtime.GC()
		case word == "release":
			debug.FreeOSMemory()
		case word == "percent":
			percent, _ := strconv.Atoi(argument)
			debug.SetGCPercent(percent)
		case word == "limit":
			debug.SetMemoryLimit(int64(size(argument)))
		}
		tell()
	}
}
