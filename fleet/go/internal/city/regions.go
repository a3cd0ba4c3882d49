package city

// VehicleKind is what a rider can order: the word used in URLs and answers.
type VehicleKind string

// The kinds of vehicle.
const (
	Bike    VehicleKind = "bike"
	Scooter VehicleKind = "scooter"
	Car     VehicleKind = "car"
)

// VehicleKinds are all kinds, in the order in which messages name them.
var VehicleKinds = []VehicleKind{Bike, Scooter, Car}

// Region is one city and its fleet's habits.
type Region struct {
	// Name is the region's identifier, for instance eu-north.
	Name string
	// City is the city's name.
	City string
	// Centre is where vehicles and roads are laid out around.
	Centre Position
	// PickUp is where a rider stands who gives no position.
	PickUp Position
	// Destination is where rides go: the city's main station.
	Destination Position
	// DestinationName is the station's name.
	DestinationName string
	// Currency is the ISO 4217 code of the prices.
	Currency string
	// ShareOut is, by kind, the probability that a vehicle is out with a rider. With 1 all are out.
	ShareOut map[VehicleKind]float64
}

// RegionNames are the names of all regions, in the order in which messages name them.
var RegionNames = []string{"eu-north", "us-east", "ap-south", "us-west", "sa-east"}

// Regions are the regions by name. In ap-south and us-west each car is out, so car orders go to a neighbour.
var Regions = map[string]Region{
	"eu-north": {
		Name:            "eu-north",
		City:            "Stockholm",
		Centre:          Position{59.3293, 18.0686},
		PickUp:          Position{59.3150, 18.0340},
		Destination:     Position{59.3301, 18.0582},
		DestinationName: "Stockholm Central Station",
		Currency:        "SEK",
		ShareOut:        map[VehicleKind]float64{Bike: 0.30, Scooter: 0.35, Car: 0.60},
	},
	"us-east": {
		Name:            "us-east",
		City:            "New York",
		Centre:          Position{40.7420, -73.9890},
		PickUp:          Position{40.7295, -73.9965},
		Destination:     Position{40.7527, -73.9772},
		DestinationName: "Grand Central Terminal",
		Currency:        "USD",
		ShareOut:        map[VehicleKind]float64{Bike: 0.40, Scooter: 0.30, Car: 0.70},
	},
	"ap-south": {
		Name:            "ap-south",
		City:            "Mumbai",
		Centre:          Position{18.9500, 72.8300},
		PickUp:          Position{18.9650, 72.8180},
		Destination:     Position{18.9398, 72.8355},
		DestinationName: "Chhatrapati Shivaji Maharaj Terminus",
		Currency:        "INR",
		ShareOut:        map[VehicleKind]float64{Bike: 0.45, Scooter: 0.50, Car: 1.0},
	},
	"us-west": {
		Name:            "us-west",
		City:            "San Francisco",
		Centre:          Position{37.7749, -122.4194},
		PickUp:          Position{37.7880, -122.4075},
		Destination:     Position{37.7766, -122.3947},
		DestinationName: "San Francisco Caltrain Station",
		Currency:        "USD",
		ShareOut:        map[VehicleKind]float64{Bike: 0.35, Scooter: 0.40, Car: 1.0},
	},
	"sa-east": {
		Name:            "sa-east",
		City:            "São Paulo",
		Centre:          Position{-23.5505, -46.6333},
		PickUp:          Position{-23.5614, -46.6558},
		Destination:     Position{-23.5350, -46.6340},
		DestinationName: "Estação da Luz",
		Currency:        "BRL",
		ShareOut:        map[VehicleKind]float64{Bike: 0.40, Scooter: 0.35, Car: 0.60},
	},
}
