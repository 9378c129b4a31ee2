// Package greedy asks for address space in steps, and touches none of it.
package greedy

import "testing"

var kept [][]byte

func TestGreedy(t *testing.T) {
	for i := 0; i < 200; i++ {
		kept = append(kept, make([]byte, 64<<20))
	}
}
