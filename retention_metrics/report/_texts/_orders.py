"""Texts of the questions that orders answer."""

ORDERS = {
    "base.title": ("The customer base", "Клиентская база"),
    "customers": ("Customers", "Клиенты"),
    "customers.meaning": ("who bought at least once", "купили хотя бы раз"),
    "orders": ("Orders", "Заказы"),
    "orders.meaning": ("from {first:day} to {last:day}", "с {first:day} по {last:day}"),
    "revenue": ("Revenue", "Выручка"),
    "revenue.meaning": ("sum of the amounts, refunds netted", "сумма заказов за вычетом возвратов"),
    "mean_order": ("Mean order", "Средний чек"),
    "mean_order.meaning": ("revenue / orders", "выручка / заказы"),
    "return.title": ("Do customers come back?", "Возвращаются ли клиенты?"),
    "repeat_rate": ("Repeat purchase rate", "Доля купивших повторно"),
    "repeat_rate.meaning": (
        "customers with purchases on two or more days / customers: {numerator:count} of {denominator:count}",
        "клиенты с покупками в два разных дня и более / клиенты: {numerator:count} из {denominator:count}",
    ),
    "repeat_rate_mature": ("The same, of those with time to return", "То же, у кого было время вернуться"),
    "repeat_rate_mature.meaning": (
        "first purchase at least {days:days} ago: {numerator:count} of {denominator:count}",
        "первая покупка не позже чем {days:days} назад: {numerator:count} из {denominator:count}",
    ),
    "cycle": ("Purchase cycle", "Цикл покупок"),
    "cycle.meaning": (
        "days from one purchase to the next; median, purchases not yet followed by another counted as open",
        "дней от покупки до следующей; медиана, покупки без следующей учтены как незавершённые",
    ),
    "cycle.closed": (
        "days from one purchase to the next; median of the gaps that have closed, which is on the short side",
        "дней от покупки до следующей; медиана завершённых промежутков, она занижена",
    ),
    "return.never": (
        "Nobody has bought on a second day, so there is no purchase cycle.",
        "Никто не покупал во второй раз, поэтому цикла покупок нет.",
    ),
    "status.title": ("Who is still a customer?", "Кто ещё клиент?"),
    "active": ("Active", "Активные"),
    "active.meaning": ("a purchase recently enough", "покупали недавно"),
    "at_risk": ("At risk", "Под угрозой"),
    "at_risk.meaning": ("no purchase for more than {days:days}", "нет покупок больше {days:days}"),
    "lost": ("Lost", "Потеряны"),
    "lost.meaning": ("no purchase for more than {days:days}", "нет покупок больше {days:days}"),
    "status.no_rule": (
        "Without a purchase cycle there is no rule for this: give lost_after.",
        "Без цикла покупок нет правила: укажите lost_after (--lost-after).",
    ),
    "status.short": (
        "{days:days} are fewer than three purchase cycles of {cycle:days}: many called lost will be back.",
        "{days:days} — меньше трёх циклов покупок по {cycle:days}: многие «потерянные» ещё вернутся.",
    ),
    "status.act": (
        "Call the {count:count} customers at risk first: they have stayed away for long, and are not lost yet.",
        "Сначала позвоните клиентам под угрозой (их {count:count}): они давно не приходили, но ещё не потеряны.",
    ),
    "months.title": ("Month by month", "По месяцам"),
    "months.no_rule": (
        "Without a rule for who is lost there is nothing to count.",
        "Без правила, кто потерян, считать нечего.",
    ),
    "months.explained": (
        "start + new + back - lost = end. Back: lost customers who bought again. Returning: buyers who first bought "
        "in an earlier month. Retention: share of the customers present at the start who were there at the end.",
        "начало + новые + вернулись − потеряны = конец. Вернулись: потерянные, купившие снова. Повторно: "
        "покупатели, впервые купившие в прошлые месяцы. Удержание: доля бывших в начале, кто остался к концу.",
    ),
    "months.lost_on": (
        "A customer is lost on day {day:count} after the last purchase, so the first months of a log cannot lose "
        "anybody yet.",
        "Клиент потерян на {day:count}-й день после последней покупки, поэтому в первые месяцы журнала потерь нет.",
    ),
    "months.running": ("* counts so far: the month is not over.", "* пока так: месяц не закончен."),
    "months.month": ("month", "месяц"),
    "months.start": ("start", "начало"),
    "months.new": ("new", "новые"),
    "months.returned": ("back", "вернулись"),
    "months.lost": ("lost", "потеряны"),
    "months.end": ("end", "конец"),
    "months.buyers": ("buyers", "купили"),
    "months.returning": ("returning", "повторно"),
    "months.retention": ("retention", "удержание"),
    "cohorts.title": ("Cohorts", "Когорты"),
    "cohorts.explained": (
        "Percent of the customers first won in a month who bought in that month (age 0) and in the months after it. "
        "0.0 is an observed zero; an empty cell lies in the future; * is a month that is not over.",
        "Процент клиентов, впервые купивших в месяце, кто покупал в том же месяце (возраст 0) и в следующие. "
        "0,0 — никто не купил; пустая ячейка — ещё не наступила; * — месяц не закончен.",
    ),
    "cohorts.pooled": (
        "Pooled: all customers of the cohorts old enough, partial months left out.",
        "Все: клиенты всех достаточно старых когорт без незаконченных месяцев.",
    ),
    "cohorts.cohort": ("cohort", "когорта"),
    "cohorts.size": ("size", "размер"),
    "cohorts.all": ("pooled", "все"),
    "picture.retention": (
        "Share of customers who bought at each age; all cohorts in blue with the band, single cohorts in grey.",
        "Доля купивших по возрасту: все когорты — синяя линия с полосой, отдельные — серые. Числа в таблице ниже.",
    ),
    "worth.title": ("What is a customer worth?", "Сколько стоит клиент?"),
    "worth.no_amounts": (
        "The log has no amounts: name the column of the money paid.",
        "В журнале нет сумм: назовите столбец с оплатой.",
    ),
    "so_far": ("Revenue so far", "Выручка на сегодня"),
    "so_far.meaning": ("of orders, per customer, before any costs", "по заказам, на клиента, до вычета расходов"),
    "worth.none": ("No lifetime value: {reason:text}.", "Ценность клиента не определена. Сообщение: {reason:text}."),
    "worth.revenue": (
        "This is revenue, not profit: give the share that is left after variable costs (margin_share) before "
        "comparing it with the cost of winning a customer.",
        "Это выручка, а не прибыль: прежде чем сравнивать с ценой привлечения, укажите долю, которая остаётся "
        "после переменных расходов (--margin-share).",
    ),
    "worth.margin": ("Margin is {share:percent} of revenue.", "Маржа — {share:percent} выручки."),
    "worth.beside_subscriptions": (
        "Lifetime value is that of orders alone: money from subscriptions is not in it.",
        "Пожизненная ценность посчитана только по заказам: денег от подписок в ней нет.",
    ),
    "worth.beside_packages": (
        "Lifetime value is that of orders alone: money from packages is not in it.",
        "Пожизненная ценность посчитана только по заказам: денег от пакетов в ней нет.",
    ),
    "worth.beside_both": (
        "Lifetime value is that of orders alone: money from packages and subscriptions is not in it.",
        "Пожизненная ценность посчитана только по заказам: денег от пакетов и подписок в ней нет.",
    ),
    "worth.caution": (
        "It supposes that every month loses the same share of every kind of customer; customers differ, so take it "
        "as a first figure. The interval covers the uncertainty of churn alone.",
        "Предполагается, что каждый месяц уходит одна и та же доля любых клиентов; клиенты разные, поэтому это "
        "первая прикидка. Границы отражают только неопределённость оттока.",
    ),
    "revenue_month": ("Revenue a month", "Выручка в месяц"),
    "revenue_month.meaning": (
        "per customer present, last {months:count} complete months",
        "на присутствующего клиента, последних полных месяцев: {months:count}",
    ),
    "churn_month": ("Churn a month", "Отток за месяц"),
    "churn_month.meaning": (
        "lost of the start set / start, pooled over {months:count} complete months: {numerator:count} of "
        "{denominator:count}",
        "потеряны из бывших в начале / начало, полных месяцев вместе: {months:count}; {numerator:count} из "
        "{denominator:count}",
    ),
    "lifetime": ("Lifetime", "Срок жизни"),
    "lifetime.meaning": ("1 / churn; the first month is certain", "1 / отток; первый месяц — наверняка"),
    "ltv": ("Lifetime value", "Пожизненная ценность"),
    "ltv.meaning": ("margin a month / churn", "маржа в месяц / отток"),
    "ltv.of_revenue": ("revenue a month / churn", "выручка в месяц / отток"),
}
