"""The cash of a comfortable owner: flat sales, all cash drawn at the month's end, and a dip that shows what was spent.

Run it as it is; it takes some seconds:

    python examples/cash_gap.py

The hazards are made up, so that after five years as many sessions are outstanding and given back as in the story. With
a book of your own: ``redemption.RedemptionModel.fit(ledger, step="month")`` and ``simulate(start=ledger, ...)``.
"""

from retention_metrics.cashflow import CashGapForecast, CommonShock, FirmPolicy, SalesPath, simulate, stress
from retention_metrics.prepaid import PackagePlan
from retention_metrics.redemption import RedemptionModel

PLAN = PackagePlan(id="ten sessions", price=15_000, sessions=10, cost_per_session=700)
MODEL = RedemptionModel(
    hazard=[0.534, 0.366, 0.227, 0.128, 0.087, 0.061, 0.047],
    refund=[0.001, 0.001, 0.0052, 0.0052, 0.0094, 0.0094, 0.0094],
)
FLAT = SalesPath(40)
DIP = SalesPath(40, shocks=[(30, 36, 0.4)])
OWNER = FirmPolicy.spend_collections(fixed_costs=200_000)
MOOD = CommonShock(sigma=0.2, phi=0.7)
YEARS_5 = 60


def forecast(sales: SalesPath, paths: int, common: CommonShock | None = None) -> CashGapForecast:
    """Five years of the owner's cash."""
    return simulate(
        model=MODEL, sales=sales, plan=PLAN, policy=OWNER, periods=YEARS_5, paths=paths, common=common, rng=1
    )


def figures(paths: int = 10_000) -> dict[str, float]:
    """The figures of the story."""
    flat, dip, together = forecast(FLAT, paths), forecast(DIP, paths), forecast(DIP, paths, MOOD)
    means = flat.expected
    return {
        "collected": means["collections"].sum(),
        "drawn": flat.scalars.drawn.mean(),
        "result": (means["earned"] - means["delivery_cost"] - 200_000).sum(),
        "owed": means["liability"][-1],
        "gap": flat.gap_probability().value,
        "gap_in_dip": dip.gap_probability().value,
        "depth_in_dip": dip.depth(0.5),
        "gap_in_dip_at_a_fifth": dip.policy_table([0.2]).gap_probability[0],
        "ratio_alone": dip.required_reserve_ratio(),
        "ratio_together": together.required_reserve_ratio(),
    }


def main() -> None:
    """Tell the story."""
    told = figures()
    print("Five years of 40 packages a month, and all cash drawn at each month's end:")
    print(f"  collected {told['collected'] / 1e6:.2f} M, drawn {told['drawn'] / 1e6:.2f} M,")
    print(f"  a gap in {told['gap']:.1%} of the paths.")
    print(
        f"Yet what was earned leaves a result of {told['result'] / 1e6:.2f} M, and {told['owed'] / 1e6:.1f} M is owed."
    )
    print("Six months in which sales dip by 60 %:")
    print(f"  a gap in {told['gap_in_dip']:.0%} of the paths, {told['depth_in_dip'] / 1e6:.2f} M deep in the median;")
    print(f"  holding back a fifth of what is owed: in {told['gap_in_dip_at_a_fifth']:.2%}.")
    print(
        f"Held back for a gap in 5 % at most: {told['ratio_alone']:.3f} of what is owed if customers are independent,"
    )
    print(f"  {told['ratio_together']:.3f} if they share a mood.")
    print()
    print(forecast(DIP, 10_000, MOOD))
    print()
    table = stress(
        model=MODEL, sales=FLAT, plan=PLAN, policy=OWNER, periods=YEARS_5, at=30, common=MOOD, paths=2_000, rng=1
    )
    print(table)


if __name__ == "__main__":
    main()
