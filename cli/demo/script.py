"""What everyone says in the demo. Nothing here is decided by a model; who reacts to what is in `team`."""

TITLE = "Five days in Kyoto"

WISH = (
    "Hi! Arun and I want five days in Kyoto in November, from Munich, for 4,200 € together. "
    "Somewhere quiet, please. He has an Indian passport, mine is German."
)
CHANGE_OF_MIND = "Kamo sounds nice, but I have just seen Ryokan Hanare and love it. I put it in. Please take that one."
THANKS = "That is perfect. Thank you, all of you!"

PLANNER_THINKS = (
    "Three things are independent of each other: flights, a room, the visas. All of them need the dates. "
    "The room decides how the days go, so I write the plan last."
)
PLANNER_ANSWERS = (
    "Kyoto in November it is: the maples turn around the middle of the month, so I take the 12th to the 17th. "
    "Flights, hotels and visas start at once, side by side. The plan is on the board; change it there as you like."
)
PLANNER_BRIEFS = (
    "Dates are fixed: 12 to 17 November, two people. Keep every price in the budget, and watch /hotel: "
    "Maya is looking, too."
)

FLIGHTS_LOOKS = "Asking four airlines for Munich to Osaka, two seats together."
FLIGHTS_SAYS = (
    "The best of 23 connections: Munich 11:55 to Osaka 09:40 the next morning, one stop of 70 minutes, "
    "and back on the 17th at noon. 1,720 € for both, bags included. From Osaka the Haruka train takes "
    "80 minutes to Kyoto, twice an hour; I add 44 € for it. Two seats on the left are held, the side with Mount Fuji."
)

HOTELS_LOOKS = "Looking for quiet rooms within ten minutes of the river."
HOTELS_SAYS = (
    "Three rooms are quiet and free. I would take the Kamo Riverside Inn: a corner room over the water, "
    "breakfast until ten, 780 € for the five nights. I am having it held while you read this."
)
HOTELS_NOTICES = "Somebody changed the hotel while I was holding the room. I look again before I write anything."
HOTELS_ADAPTS = (
    "Maya, you have taken Ryokan Hanare: then I let the Kamo Riverside Inn go and book yours. "
    "Six rooms, a garden, dinner in the room; 910 € for the five nights. It is yours, and it still fits the budget."
)

VISAS_LOOKS = "Reading the entry rules for both passports."
VISAS_SAYS = (
    "Maya needs nothing for a stay this short. Arun needs an eVisa: the form takes twenty minutes, the answer about "
    "five working days. I have filled in what I know. He needs a photo, and the addresses of the flight and the hotel."
)
VISAS_ADDS = "The eVisa form now carries the address of the hotel that Maya chose."

PLANNER_ENDS = (
    "Here is your journey.\n"
    "Day 1  Osaka at 09:40, the Haruka to Kyoto, tea in the garden of the ryokan.\n"
    "Day 2  Fushimi Inari before breakfast, Nishiki market at noon.\n"
    "Day 3  Arashiyama: the bamboo, the river, a boat.\n"
    "Day 4  Nothing at all until four; then the maples at Eikando, by night.\n"
    "Day 5  The philosopher's path, and the train back to the airport.\n"
    "Flights and hotel are booked, one eVisa is on its way, and you stay well under 4,200 €."
)

TRIP = {"to": "Kyoto", "from": "Munich", "dates": "12–17 November", "people": 2}
FLIGHT = {"out": "MUC 11:55 – KIX 09:40", "back": "17 Nov, 12:05", "price": 1720, "status": "held"}
KAMO = {"name": "Kamo Riverside Inn", "price": 780, "status": "proposed"}
HANARE = {"name": "Ryokan Hanare", "price": 910, "status": "chosen by Maya"}
BUDGET = 4200
TRAIN = 44
EVISA = 20
