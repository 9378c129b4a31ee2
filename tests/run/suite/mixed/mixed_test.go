// Package mixed passes, fails, skips, prints and logs, in tests and below them.
package mixed

import (
	"fmt"
	"testing"
)

func TestPasses(t *testing.T) { t.Log("not to be seen"); fmt.Println("printed while it passed") }

func TestSkips(t *testing.T) { t.Skip("not today") }

func TestFails(t *testing.T) {
	t.Log("first\nand a second line")
	t.Run("below", func(t *testing.T) {
		t.Log("inside")
		t.Run("deeper", func(t *testing.T) { t.Error("deep") })
	})
	t.Run("fine", func(t *testing.T) { t.Log("not to be seen") })
	fmt.Println("printed between")
	t.Error("last")
}

func TestParallel(t *testing.T) {
	t.Run("one", func(t *testing.T) { t.Parallel(); t.Error("one") })
	t.Log("body")
}
