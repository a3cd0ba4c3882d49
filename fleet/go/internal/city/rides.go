package city

import "sync"

// RidesRemembered is how many rides a region keeps; the oldest are forgotten first.
const RidesRemembered = 10_000

// Rides are the latest rides, in memory, by identifier. It is safe to use from several goroutines.
type Rides[Answer any] struct {
	limit  int
	lock   sync.Mutex
	byID   map[string]Answer
	oldest []string
}

// NewRides returns a store for so many rides.
func NewRides[Answer any](limit int) *Rides[Answer] {
	return &Rides[Answer]{limit: limit, byID: map[string]Answer{}}
}

// Add remembers a ride, and forgets the oldest beyond the limit.
func (rides *Rides[Answer]) Add(rideID string, answer Answer) {
	rides.lock.Lock()
	defer rides.lock.Unlock()
	if _, known := rides.byID[rideID]; !known {
		rides.oldest = append(rides.oldest, rideID)
	}
	rides.byID[rideID] = answer
	for len(rides.oldest) > rides.limit {
		delete(rides.byID, rides.oldest[0])
		rides.oldest = rides.oldest[1:]
	}
}

// Find returns the answer to the ride with that identifier.
func (rides *Rides[Answer]) Find(rideID string) (Answer, bool) {
	rides.lock.Lock()
	defer rides.lock.Unlock()
	answer, known := rides.byID[rideID]
	return answer, known
}
