"""Collects plain UDFs, from Python values of one row to a value."""

import math

from tests.corpus.case import udf

MILE = 1.609344


@udf("double", "trips", "distance")
def miles(distance):
    """A factor."""
    return distance / MILE


@udf("string", "trips", "passengers")
def party(passengers):
    """Cases of a small integer."""
    if passengers is None:
        return "unknown"
    if passengers <= 1:
        return "solo"
    elif passengers == 2:
        return "couple"
    return "group"


@udf("double", "trips", "pickup_lat pickup_lon dropoff_lat dropoff_lon")
def crow_km(lat1, lon1, lat2, lon2):
    """The haversine formula with math."""
    if None in (lat1, lon1, lat2, lon2):
        return None
    p1, p2 = math.radians(lat1), math.radians(lat2)
    a = math.sin((p2 - p1) / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 12742 * math.asin(math.sqrt(a))


@udf("boolean", "trips", "stored seconds")
def suspicious(stored, seconds):
    """A logical expression."""
    return stored and seconds < 60 or seconds > 7000


@udf("int", "events", "status")
def status_family(status):
    """Integer division."""
    return status // 100


@udf("string", "events", "latency")
def latency_bucket(latency):
    """A chain of comparisons."""
    if latency is None:
        return None
    if 0 <= latency < 100:
        return "fast"
    if latency < 1000:
        return "ok"
    return "slow"


@udf("string", "events", "size")
def human_size(size):
    """A loop that divides, then formats."""
    value = float(size)
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"


@udf("double", "flights", "distance air_time")
def ground_speed(distance, air_time):
    """Division with a guard for zero."""
    if air_time is None or air_time == 0:
        return None
    return distance / (air_time / 60)


@udf("string", "flights", "dep_delay cancelled")
def flight_status(dep_delay, cancelled):
    """Booleans and None together."""
    if cancelled:
        return "cancelled"
    if dep_delay is None:
        return "unknown"
    return "delayed" if dep_delay > 15 else "on time"


@udf("long", "sensors", "counter")
def checksum(counter):
    """Arithmetic that stays in 64 bits."""
    total = 0
    for shift in range(0, 40, 8):
        total += (counter >> shift) & 0xFF
    return total % 97


@udf("double", "loans", "amount rate term")
def total_interest(amount, rate, term):
    """Powers, with the case of no interest."""
    if rate is None:
        return None
    if rate == 0:
        return 0.0
    monthly = rate / 1200
    payment = amount * monthly / (1 - (1 + monthly) ** -term)
    return round(payment * term - amount, 2)


@udf("string", "loans", "score dti")
def decision(score, dti):
    """Nested conditions."""
    if score is None:
        return "review"
    if score >= 700:
        if dti is not None and dti > 45:
            return "review"
        return "approve"
    return "decline" if score < 580 else "review"


@udf("string", "products", "title")
def title_key(title):
    """Text methods in a chain."""
    if title is None:
        return None
    return title.strip().lower().replace(" ", "_")


@udf("string", "products", "sku code")
def labelled(sku, code):
    """Formats a text and a number."""
    return f"{sku or '-'}/{code:05d}"


@udf("boolean", "customers", "tier orders")
def is_vip(tier, orders):
    """A comparison of texts and one of numbers."""
    return tier is not None and tier.lower() == "gold" and orders > 20


@udf("int", "sensors", "raw")
def grey_code(raw):
    """Bit operations."""
    if raw is None:
        return None
    return raw ^ (raw >> 1)


@udf("double", "products", "cost list_price")
def discount(cost, list_price):
    """max and min of Python."""
    if list_price is None or list_price <= 0:
        return 0.0
    return max(0.0, min(1.0, 1 - cost / list_price))


@udf("string", "flights", "origin dest")
def route_key(origin, dest):
    """An f-string in a variable, used further."""
    route = f"{origin}-{dest}"
    return route.lower() if origin != dest else f"round:{route}"


@udf("string", "products", "sku cost")
def price_tag(sku, cost):
    """The % operator, and what is done with its text."""
    tag = "%s: %.2f EUR" % (sku, cost)  # noqa: UP031 - as people write it
    return tag.replace(".", ",").strip()


@udf("string", "trips", "distance")
def trip_class(distance):
    """Which bool a comparison gave, by identity."""
    is_long = distance > 10
    return "long" if is_long is True else "short"
