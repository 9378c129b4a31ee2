// Profiles writes the profiles of itself into the directory that it is given: of a heap that is half alive, with calls
// that are inlined and calls of itself, and of goroutines with labels.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

var held [][]byte

// Inlined into its callers.
func hold(size int) { held = append(held, make([]byte, size)) }

//go:noinline
func deep(depth, size int) {
	if depth == 0 {
		hold(size)
		return
	}
	if depth%3 == 0 {
		sideways(depth-1, size)
	} else {
		deep(depth-1, size)
	}
}

//go:noinline
func sideways(depth, size int) { deep(depth, size); hold(size / 2) }

//go:noinline
func garbage() {
	for range [100]int{} {
		deep(5, 3000)
	}
	held = held[:len(held)/2]
}

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

func write(directory, name, as string) {
	file, err := os.Create(filepath.Join(directory, as+".pb.gz"))
	if err == nil {
		err = pprof.Lookup(name).WriteTo(file, 0)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	runtime.MemProfileRate = 256
	for depth := 0; depth < 60; depth++ {
		for size := 100; size < 20000; size *= 3 {
			deep(depth, size)
		}
	}
	runtime.GC()
	runtime.GC()
	write(os.Args[1], "heap", "before")
	garbage()
	root := grow(12)
	for i := 0; i < 20; i++ {
		labels := pprof.Labels("worker", fmt.Sprint(i%4))
		pprof.Do(context.Background(), labels, func(context.Context) {
			go func() { select {} }()
			go func() { <-make(chan int) }()
		})
	}
	runtime.Gosched()
	runtime.GC()
	runtime.GC()
	for _, name := range []string{"heap", "allocs", "goroutine"} {
		write(os.Args[1], name, name)
	}
	runtime.KeepAlive(root)
	runtime.KeepAlive(held)
}
