"""Visits that no package covered: delivered at list price, and owed by the customer until a package settles them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retention_metrics._typing import BoolArray, IntArray
from retention_metrics.prepaid._booked import Booked
from retention_metrics.prepaid._columns import Columns, shown
from retention_metrics.prepaid._plan import PackagePlan
from retention_metrics.prepaid._replay import Postings


@dataclass(frozen=True, slots=True, eq=False)
class UnpaidVisits:
    """Each one as a package of a single session that nothing was paid for.

    Attributes:
        name: What it is called among the packages.
        event: Place of the visit among the events.
        plan: Place of the plan that priced it.
        customer: Who came.
        day: The day of the visit.
        price: The list price.
        settled: Whether a package settled it, or it was taken back.
        postings: What it moves.
    """

    name: NDArray[np.object_]
    event: IntArray
    plan: IntArray
    customer: IntArray
    day: IntArray
    price: IntArray
    settled: BoolArray
    postings: Postings


def unpaid_plan(plans: tuple[PackagePlan, ...], named: int) -> int:
    """The plan that prices a visit without a package: the one it names, or the only one; -1 when it has no price."""
    plan = named if named >= 0 else 0 if len(plans) == 1 else -1
    return plan if plan >= 0 and plans[plan].list_price is not None else -1


def unpaid_visits(columns: Columns, booked: Booked, plans: tuple[PackagePlan, ...], packages: int) -> UnpaidVisits:
    """The visits that no package covered, as packages numbered after the ``packages`` sold."""
    who_came = booked.unpaid
    visits = np.array(sorted(who_came, key=lambda i: (columns.posted[i], who_came[i].customer, columns.id[i])), int)
    customer = np.array([who_came[each].customer for each in visits.tolist()], np.int64)
    plan = np.array([who_came[each].plan for each in visits.tolist()], np.int64)
    day = columns.posted[visits]
    price = np.array([plans[each].list_price for each in plan], np.int64)
    cost = np.array([plans[each].cost_per_session for each in plan], np.int64)
    settled_on = np.array([booked.settled.get(int(each), -1) for each in visits], np.int64)
    settled = settled_on >= 0
    which = packages + np.arange(len(visits))
    sign = np.append(np.ones(len(visits), np.int64), np.full(int(settled.sum()), -1))

    def both(values: IntArray) -> IntArray:
        return np.append(values, values[settled])

    names = np.empty(len(visits), object)
    names[:] = [
        f"unpaid visit {number}: {columns.customers[who]} {shown(when)}"
        for number, (who, when) in enumerate(zip(customer, day, strict=True), start=1)
    ]
    postings = Postings(
        np.append(day, settled_on[settled]),
        both(which),
        both(customer),
        {
            "earned": sign * both(price),
            "delivery_cost": sign * both(cost),
            "sessions_sold": sign,
            "sessions_delivered": sign,
        },
    )
    return UnpaidVisits(names, visits, plan, customer, day, price, settled, postings)
