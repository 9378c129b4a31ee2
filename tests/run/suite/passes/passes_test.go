// Package passes passes, and prints.
package passes

import (
	"fmt"
	"testing"
)

func TestPrints(t *testing.T) { fmt.Println("printed"); t.Log("logged") }

func TestSub(t *testing.T) { t.Run("x", func(t *testing.T) { t.Log("logged") }) }
