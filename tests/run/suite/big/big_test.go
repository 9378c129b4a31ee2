// Package big takes a linker more than 52 MiB.
package big

import (
	"go/types"
	"net/http"
	"testing"
)

func TestBig(t *testing.T) { _, _ = http.DefaultClient, types.Universe }
