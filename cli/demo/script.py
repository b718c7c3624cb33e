"""What everyone says in the demo. Nothing here is decided by a model; who reacts to what is in the code of each."""

TITLE = "Five days in Porto"
CITY = "Lisbon"

WISH = (
    "Hi! Arun and I want five days in Porto in May, from London, for 2,400 € together. "
    "Somewhere quiet, please. He has an Indian passport, mine is German."
)
ELSEWHERE = "Oh wait, my sister will be in Lisbon that week. Make it Lisbon!"
CHANGE_OF_MIND = "I have just seen Casa da Graça and love it. I put it in. Please take that one."
THANKS = "That is perfect. Thank you, all of you!"

# What somebody at the console is told, who may be Maya for once.
CUE_ELSEWHERE = "Your turn, Maya: say “Make it Lisbon!” below. In {seconds} s she says it herself."
CUE_HOTEL = (
    "Your turn, Maya: change the hotel by hand. Open “state”, click the name, make it “Casa da Graça” or any you like. "
    "In {seconds} s she does it herself."
)
CUE_ANSWER = "Your turn, Maya: “book” or “wait”? In {seconds} s she books."
CUT_SHORT = (
    "You stopped it, and what was under way has ended in good order. The demo ends here; all of it is on record."
)
PLANNER_DEAF = (
    "There is no model behind us, only a script: of what you say we understand “Lisbon”. Everything else works: stop, "
    "steer, pause, edit the state, look at the past."
)

PLANNER_THINKS = (
    "Three things do not wait for each other: flights, a room, the visa. The plan needs all of them, "
    "so I put it on the board behind them."
)
PLANNER_ANSWERS = (
    "Porto in May it is: the 12th to the 17th. Flights, hotel and visas are on the board; each of us takes one, "
    "and you may change anything while we work."
)
PLANNER_REROUTES = "Lisbon it is. Flights and hotel begin anew; the visa goes on as it is, Portugal is Portugal."
PLANNER_BRIEFS = "Watch /hotel, all of you: Maya is looking, too."

FLIGHTS_BEGINS = {
    "Porto": (
        "Asking four airlines for London to Porto. The early one from Gatwick looks good: 07:10, two seats together, "
        "and the metro takes half an hour to the river. Now for the way back, which is"
    ),
    "Lisbon": "London to Lisbon, then. ",
}
FLIGHTS_SAYS = (
    "The best of 31 connections: Heathrow 08:20 to Lisbon 11:05, and back on the 17th at six. 412 € for both, bags "
    "included. Two seats on the left, for the river."
)

HOTELS_BEGINS = {
    "Porto": (
        "Quiet rooms in Porto within ten minutes of the Douro: there are nine, four of them with a garden. I look at "
        "the one in the Rua das Flores first, where breakfast is"
    ),
    "Lisbon": "Lisbon: quiet means up the hills. ",
}
HOTELS_SAYS = (
    "Three rooms are free. I would take the Hotel Lis: a corner room over the roofs, breakfast until ten, 610 € for "
    "the five nights. I have it held while you read this."
)
HOTELS_NOTICES = "Somebody changed the hotel while I had the room held. I look again before I write anything."
HOTELS_ASKS = "Book {name} for {price} €? It cannot be cancelled."
HOTELS_ADAPTS = "{name} is booked: six rooms, a garden, the tram at the door. {price} € for the five nights."
HOTELS_STOPS = "Then I leave it open, and ask again when you have slept on it."

VISAS_BEGINS = (
    "Maya needs nothing. Arun needs a short-stay visa for Portugal: the form, a photo, proof of the flight. I have "
    "filled in what I know, and ask the consulate for an appointment, which takes"
)
VISAS_SAYS = (
    "I go on where the last one was cut off: the form is filled in, and the consulate has an appointment on Thursday "
    "at ten. Arun brings his passport and one photo."
)

PLANNER_ENDS = (
    "Here is your journey.\n"
    "Day 1  Lisbon at 11:05, tram 28 up to Graça, tea in the garden.\n"
    "Day 2  Alfama before breakfast, the tile museum at noon.\n"
    "Day 3  Sintra by train; the forest, not the palaces.\n"
    "Day 4  Nothing at all until four. Then your sister, and fado.\n"
    "Day 5  The ferry to Cacilhas, and the flight at six.\n"
    "All is booked, and you stay well under 2,400 €."
)

PASSPORTS = ["DE", "IN"]
BUDGET = 2400
TRIP = {"to": "Porto", "from": "London", "dates": "12–17 May", "people": 2}
FLIGHT = {"out": "LHR 08:20 – LIS 11:05", "back": "17 May, 18:00", "price": 412, "status": "booked"}
LIS = {"name": "Hotel Lis", "price": 610, "status": "proposed"}
GRACA = {"name": "Casa da Graça", "price": 680, "status": "chosen by Maya"}
VISA_FEE = 90
