"""From a file of orders to retention, cohorts and lifetime value, with DuckDB doing the work.

Run it on the file that the demo writes:

    python -m retention_metrics demo
    python examples/orders_in_duckdb.py demo-orders.csv
"""

import sys

import duckdb

import retention_metrics as rm

AS_OF = "2026-10-31"
MARGIN_SHARE = 0.6

table = duckdb.read_csv(sys.argv[1])
orders = rm.logs.Transactions(table, customer="client_id", time="paid_at", amount="sum")

cycle = orders.purchase_cycle(as_of=AS_OF)
lost_after = round(3 * cycle.days)
print(f"Customers return after {cycle.days:g} days; they are lost after {lost_after}.")
print(orders.status_counts(as_of=AS_OF, lost_after=lost_after, at_risk_after=lost_after * 2 // 3))

cohorts = orders.cohorts(period="quarter", as_of=AS_OF)
print(cohorts)

flow = orders.retention_by_period(period="month", as_of=AS_OF, lost_after=lost_after)
churn = flow.pooled_churn(last=12)
interval = churn.interval()
print(f"Monthly churn {churn.value:.1%}, from {interval.low:.1%} to {interval.high:.1%} ({churn.definition}).")

present = (flow.start[-12:] + flow.end[-12:]).sum() / 2
margin = MARGIN_SHARE * flow.revenue[-12:].sum() / present
value = rm.ltv.lifetime_value(margin=margin, churn=churn.value)
print(f"A customer is worth about {value:.0f} after variable costs.")

best = orders.rfm(as_of=AS_OF).order("monetary_value * frequency DESC NULLS LAST").limit(3)
print("Those who brought the most after their first purchase:")
print(best)
