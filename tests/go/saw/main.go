// saw: a program whose memory goes up and down as a garbage collector makes it: it allocates so many MiB a second, keeps
// so many alive, and gives back to the kernel what each collection found, until its standard input ends. Arguments: MiB
// a second, MiB alive.
package main

import (
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

const block = 64 << 10

// giveBack runs after every collection: it is the finalizer of something that nobody holds.
func giveBack(*[16]byte) {
	debug.FreeOSMemory()
	arm()
}

func arm() { runtime.SetFinalizer(new([16]byte), giveBack) }

func main() {
	rate, _ := strconv.Atoi(os.Args[1])
	alive, _ := strconv.Atoi(os.Args[2])
	kept := make([][]byte, alive<<20/block)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	arm()
	begin := time.Now()
	for made := 0; ; {
		due := int(time.Since(begin).Seconds() * float64(rate<<20/block))
		// After a pause it goes on from there: it does not make up for what it missed.
		if due > made+rate<<20/block {
			begin = begin.Add(time.Second)
			continue
		}
		for ; made < due; made++ {
			b := make([]byte, block)
			for i := 0; i < block; i += 4096 {
				b[i] = 1
			}
			kept[made%len(kept)] = b
		}
		time.Sleep(20 * time.Millisecond)
	}
}
