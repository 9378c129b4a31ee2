// Package greedy asks for address space in steps, and touches none of it: slowly enough to be seen on a busy machine.
package greedy

import (
	"testing"
	"time"
)

var kept [][]byte

func TestGreedy(t *testing.T) {
	for i := 0; i < 200; i++ {
		kept = append(kept, make([]byte, 64<<20))
		time.Sleep(50 * time.Millisecond)
	}
}
