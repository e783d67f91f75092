# Which rule decides: the first guard that matches, else the first grant, else none (-1).
# data.places: host or host glob → method → guards and grants, by rising index, one entry for each path.
package outrider

default rule := -1

rule := guards[0]

rule := grants[0] if count(guards) == 0

guards := [entry.index | some entry in candidates.guards; fits(entry)]

grants := [entry.index | some entry in candidates.grants; fits(entry)]

candidates := object.get(place, input.method, place["*"])

place := found if found := data.places[input.host]

else := found if found := data.places[concat(".", array.concat(["*"], array.slice(labels, 1, count(labels))))]

else := found if found := ancestors[0]

else := data.places["**"]

labels := split(input.host, ".")

ancestors := [found |
	some at in numbers.range(1, count(labels) - 1)
	found := data.places[concat(".", array.concat(["**"], array.slice(labels, at, count(labels))))]
]

length := count(input.segments)

fits(entry) if {
	entry.length == length
	every at, part in entry.head { part_fits(part, input.segments[at]) }
}

fits(entry) if {
	entry.least <= length
	every at, part in entry.head { part_fits(part, input.segments[at]) }
	every at, part in entry.tail { part_fits(part, input.segments[(length - count(entry.tail)) + at]) }
}

fits(entry) if entry.anywhere in input.segments

part_fits(part, segment) if part == segment

part_fits(part, segment) if {
	part.any
	segment != ""
}

part_fits(part, segment) if {
	count(segment) >= part.least
	startswith(segment, part.prefix)
	endswith(segment, part.suffix)
}
