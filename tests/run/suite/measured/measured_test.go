// Package measured has tests that hold known amounts: kept, given back, below a test, beside another.
package measured

import (
	"runtime/debug"
	"testing"
	"time"
)

var kept [][]byte

func hold(mib int) []byte {
	// What is told of a test comes a moment later: nothing moves near its ends.
	time.Sleep(300 * time.Millisecond)
	block := make([]byte, mib<<20)
	for at := 0; at < len(block); at += 4096 {
		block[at] = 1
	}
	time.Sleep(300 * time.Millisecond)
	return block
}

func TestKeeps(t *testing.T) { kept = append(kept, hold(60)) }

func TestFrees(t *testing.T) {
	block := hold(100)
	block[0] = 2
	block = nil
	debug.FreeOSMemory()
	time.Sleep(300 * time.Millisecond)
}

func TestBelow(t *testing.T) {
	t.Run("keeps", func(t *testing.T) { kept = append(kept, hold(30)) })
	t.Run("holds nothing", func(t *testing.T) { time.Sleep(100 * time.Millisecond) })
}

func TestBesideA(t *testing.T) { t.Parallel(); kept = append(kept, hold(20)); time.Sleep(300 * time.Millisecond) }

func TestBesideB(t *testing.T) { t.Parallel(); time.Sleep(300 * time.Millisecond) }
