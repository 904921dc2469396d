"""The same answers by hand: what an analyst who knows the engine well would write, without any checks."""

import datetime as dt

import polars as pl
from data import AS_OF


def rfm_polars(log):
    first, last = pl.col("first"), pl.col("last")
    repeats = pl.col("purchases").cast(pl.Int64) - 1
    return (
        log.lazy()
        .group_by("customer", day=pl.col("time").dt.date())
        .agg(pl.col("amount").sum())
        .group_by("customer")
        .agg(
            purchases=pl.len(),
            first=pl.col("day").min(),
            last=pl.col("day").max(),
            total=pl.col("amount").sum(),
            opening=pl.col("amount").min_by("day"),
        )
        .select(
            "customer",
            frequency=repeats,
            recency=(last - first).dt.total_days(),
            T=(pl.lit(dt.date.fromisoformat(AS_OF)) - first).dt.total_days(),
            monetary_value=(pl.col("total") - pl.col("opening")) / pl.when(repeats > 0).then(repeats),
        )
        .collect()
    )


def rfm_duckdb(connection):
    return connection.sql(
        f"""
        with purchases as (
            select customer, time::date as day, sum(amount) as amount from log group by all
        ), customers as (
            select
                customer, count(*) - 1 as frequency, min(day) as opened, max(day) as closed,
                sum(amount) as total, arg_min(amount, day) as opening
            from purchases group by all
        )
        select
            customer, frequency, closed - opened as recency, date '{AS_OF}' - opened as T,
            (total - opening) / nullif(frequency, 0) as monetary_value
        from customers
        """
    ).to_arrow_table()


def cohorts_polars(log):
    year, month = pl.col("time").dt.year(), pl.col("time").dt.month()
    months = (year * 12 + month - 1).cast(pl.Int32)
    activity = log.lazy().select("customer", month=months).unique()
    cohorts = activity.group_by("customer").agg(cohort=pl.col("month").min())
    return (
        activity.join(cohorts, on="customer")
        .group_by("cohort", "month")
        .agg(customers=pl.len())
        .select(
            cohort=pl.date(pl.col("cohort") // 12, pl.col("cohort") % 12 + 1, 1),
            age=pl.col("month") - pl.col("cohort"),
            customers="customers",
        )
        .collect()
    )


def cohorts_duckdb(connection):
    return connection.sql(
        """
        with activity as (
            select distinct customer, year(time) * 12 + month(time) - 1 as month from log
        ), cohorts as (
            select customer, min(month) as cohort from activity group by all
        )
        select
            make_date(cohort // 12, cohort % 12 + 1, 1) as cohort, month - cohort as age, count(*) as customers
        from activity join cohorts using (customer) group by all
        """
    ).to_arrow_table()
