package city

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// drawing returns a repeatable source of numbers for a purpose; it keeps no secret.
func drawing(seed uint64, purpose ...string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(strconv.FormatUint(seed, 10) + "/" + strings.Join(purpose, "/")))
	return rand.New(rand.NewPCG(seed, hash.Sum64()))
}
