// Package waits starts goroutines that never end, with 32 KiB of stack each, up to 400 MiB.
package waits

import (
	"testing"
	"time"
)

var never = make(chan struct{})

func deep(left int) byte {
	var frame [1 << 10]byte
	frame[left] = byte(left)
	if left == 0 {
		<-never
	} else {
		frame[0] = deep(left - 1)
	}
	return frame[left] + frame[0]
}

func TestWaits(t *testing.T) {
	for i := 0; i < 400; i++ {
		for j := 0; j < 32; j++ {
			go deep(20)
		}
		time.Sleep(25 * time.Millisecond)
	}
}
