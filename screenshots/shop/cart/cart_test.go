// Package cart forgets no session.
package cart

import (
	"testing"
	"time"
)

var sessions [][]byte

func session(size int) []byte {
	session := make([]byte, size)
	for at := range session {
		session[at] = byte(at)
	}
	return session
}

func TestPrices(t *testing.T) {
	time.Sleep(200 * time.Millisecond)
	prices := session(8 << 20)
	time.Sleep(200 * time.Millisecond)
	if prices[1] != 1 {
		t.Fatal("lost")
	}
}

func TestSessions(t *testing.T) {
	time.Sleep(200 * time.Millisecond)
	for i := 0; i < 1000; i++ {
		sessions = append(sessions, session(1<<20))
		time.Sleep(8 * time.Millisecond)
	}
}
