// Package leak keeps what it allocates, 1 MiB at a time, up to 600 MiB.
package leak

import (
	"testing"
	"time"
)

var kept [][]byte

func TestFine(t *testing.T) {}

func TestLeak(t *testing.T) {
	for i := 0; i < 600; i++ {
		block := make([]byte, 1<<20)
		for at := range block {
			block[at] = byte(at)
		}
		kept = append(kept, block)
		time.Sleep(time.Millisecond)
	}
}
